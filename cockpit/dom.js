// Elements. What is given as text is text, never markup: names of users and devices come from outside.

// Makes an element: element("p", { class: "subtle", onclick: f }, "text", child, null). Properties and children that are
// null, undefined or false are left out.
export function element(name, properties, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties ?? {})) {
        if (value === null || value === undefined || value === false)
            continue;
        if (key.startsWith("on"))
            made.addEventListener(key.slice(2), value);
        else
            made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
    return made;
}

// `key` names the button across a refresh, so that it keeps the focus; `of` tells a screen reader what it is about.
export function button(text, onclick, { kind = "secondary", key = null, of = null, ...more } = {}) {
    const label = of === null ? null : `${text}: ${of}`;
    return element("button", { type: "button", class: kind, "data-key": key, "aria-label": label, onclick, ...more }, text);
}

export function paragraph(text) {
    return element("p", {}, text);
}

export function subtle(text) {
    return element("p", { class: "subtle" }, text);
}

// A message with a title; `kind` is danger, warning, info or success.
export function message(kind, title, ...more) {
    const role = kind === "danger" ? "alert" : "status";
    return element("div", { class: `message ${kind}`, role }, element("strong", {}, title), ...more);
}

export function table(headings, rows, label) {
    const head = headings.map(text => text === "" ? element("td", {}) : element("th", { scope: "col" }, text));
    // A keyboard scrolls what is wider than a narrow window.
    return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
        element("table", { "aria-label": label },
            element("thead", {}, element("tr", {}, head)),
            element("tbody", {}, rows)));
}

// A field with its label and a line of help below.
export function field(id, label, input, help) {
    input.setAttribute("id", id);
    if (help)
        input.setAttribute("aria-describedby", `${id}-help`);
    return element("div", { class: "field" },
        element("label", { for: id }, label),
        input,
        help && element("div", { id: `${id}-help`, class: "subtle" }, help));
}

export function choice(value, options) {
    return element("select", {},
        options.map(([key, text]) => element("option", { value: key, selected: key === String(value) }, text)));
}

let works = 0;

// Marks the whole page as busy until the promise is settled: for a change that no dialog shows. The content may be replaced meanwhile.
export async function whileBusy(promise) {
    document.body.setAttribute("aria-busy", String(++works > 0));
    try {
        return await promise;
    } finally {
        document.body.setAttribute("aria-busy", String(--works > 0));
    }
}
