// Modal dialogs, made of <dialog>: the browser keeps the focus inside, and Escape closes them.
import { button, element, message, paragraph } from "./dom.js";

const _ = cockpit.gettext;
let last = 0;

// Opens a dialog and resolves with what `close` was given, or null where it was dismissed. `build` gets an object with
// `close(value)`, `show(...children)`, which replaces the content, and `fail(title, ...more)`, which puts an error on top.
export function open(title, build, { dismissable = true } = {}) {
    return new Promise(resolve => {
        const id = `dialog-${++last}`;
        const before = document.activeElement;
        const failure = element("div", {});
        const content = element("div", { class: "content" });
        const dialog = element("dialog", { "aria-labelledby": id }, element("h2", { id }, title), failure, content);
        let result = null;
        const control = {
            close: (value = null) => { result = value; dialog.close(); },
            show: (...children) => {
                failure.replaceChildren();
                content.replaceChildren(...children.filter(Boolean));
                content.querySelector("[data-first]")?.focus();
            },
            fail: (heading, ...more) => failure.replaceChildren(message("danger", heading, ...more)),
            closed: new Promise(ended => dialog.addEventListener("close", ended, { once: true })),
        };
        dialog.addEventListener("cancel", event => {
            if (!dismissable)
                event.preventDefault();
        });
        dialog.addEventListener("close", () => {
            dialog.remove();
            if (before?.isConnected)
                before.focus();
            resolve(result);
        });
        document.body.append(dialog);
        dialog.showModal();
        build(control);
    });
}

export function buttons(...children) {
    return element("div", { class: "buttons" }, children);
}

// Asks for a confirmation: true or false. Cancel has the focus where the action is dangerous.
export async function confirm(title, action, { danger = true, content = [] } = {}) {
    return await open(title, control => control.show(
        ...content.map(part => typeof part === "string" ? paragraph(part) : part),
        buttons(
            button(action, () => control.close(true), { kind: danger ? "danger" : "primary", key: "confirm", "data-first": !danger }),
            button(_("Cancel"), () => control.close(false), { kind: "link", key: "cancel", "data-first": danger })))) === true;
}

// Tells of a failure.
export async function tell(title, ...more) {
    await open(title, control => control.show(
        ...more,
        buttons(button(_("Close"), () => control.close(), { key: "close", "data-first": true }))));
}
