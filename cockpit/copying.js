// The clipboard, files and paper.
import { button } from "./dom.js";

const _ = cockpit.gettext;

export function copyButton(label, text) {
    const made = button(label, async () => {
        await copy(text, made);
        made.textContent = _("Copied");
        setTimeout(() => { made.textContent = label; }, 2000);
    });
    made.setAttribute("aria-live", "polite");
    return made;
}

async function copy(text, near) {
    try {
        await navigator.clipboard.writeText(text);
    } catch {
        // Without TLS there is no navigator.clipboard. The area stands in the dialog: outside of it nothing can be selected.
        const area = document.createElement("textarea");
        area.value = text;
        near.parentElement.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
        near.focus();
    }
}

export function downloadButton(label, text, name) {
    return button(label, () => {
        const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
        const link = document.createElement("a");
        link.href = address;
        link.download = name;
        link.click();
        setTimeout(() => URL.revokeObjectURL(address), 1000);
    });
}

// Takes the text for paper out of the page.
export function emptySheet() {
    document.getElementById("sheet").textContent = "";
}

window.addEventListener("pagehide", emptySheet);

// Prints a text alone: the style sheet hides everything else on paper.
// Where a browser never says that the paper is made, the text stays until `emptySheet`, or until the page goes.
export function printButton(label, text) {
    return button(label, () => {
        document.getElementById("sheet").textContent = text;
        // Some browsers go on before the paper is made.
        window.addEventListener("afterprint", emptySheet, { once: true });
        window.print();
    });
}
