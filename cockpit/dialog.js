// Modal dialogs, made of <dialog>: the browser keeps the focus inside, and Escape closes them, but not while a result would be lost.
import { button, element, message, paragraph } from "./dom.js";

const _ = cockpit.gettext;
// Buttons that leave a dialog without its change.
const LEAVING = "[data-key='cancel'], [data-key='skip']";
let last = 0;

// Opens a dialog and resolves with what `close` was given, or null where it was dismissed. `build` gets an object with
// `close(value)`, `show(...children)`, which replaces the content, `fail(title, ...more)`, which puts an error on top, and
// `busy(work)`: until that promise is settled, the dialog cannot be left, because its result is shown nowhere else.
export function open(title, build, { dismissable = true } = {}) {
    return new Promise(resolve => {
        const id = `dialog-${++last}`;
        const before = document.activeElement;
        const failure = element("div", {});
        const content = element("div", { class: "content" });
        const dialog = element("dialog", { "aria-labelledby": id }, element("h2", { id }, title), failure, content);
        let result = null;
        let end = null;
        let isEnded = false;
        let works = 0;
        const isHeld = () => !isEnded && (!dismissable || works > 0);
        const hold = change => {
            works += change;
            content.querySelectorAll(LEAVING).forEach(leave => { leave.disabled = works > 0; });
            dialog.setAttribute("closedby", isHeld() ? "none" : "closerequest");
        };
        const control = {
            close: (value = null) => { isEnded = true; result = value; dialog.close(); },
            show: (...children) => {
                failure.replaceChildren();
                content.replaceChildren(...children.filter(Boolean));
                content.querySelector("[data-first]")?.focus();
            },
            fail: (heading, ...more) => failure.replaceChildren(message("danger", heading, ...more)),
            busy: async work => {
                hold(1);
                try {
                    return await work();
                } finally {
                    hold(-1);
                }
            },
            closed: new Promise(resolved => { end = resolved; }),
        };
        const letGo = keepOpen(dialog, isHeld);
        dialog.addEventListener("close", () => {
            if (isHeld()) {
                dialog.showModal();
                return;
            }
            letGo();
            dialog.remove();
            focusAgain(before);
            end();
            resolve(result);
        });
        document.body.append(dialog);
        hold(0);
        dialog.showModal();
        build(control);
    });
}

// While a dialog is held, neither Escape nor the tab closes it without a question; returns what ends that. A browser lets
// `cancel` be prevented once: a second Escape closes, unless its key never comes that far.
function keepOpen(dialog, isHeld) {
    const keep = event => {
        if (isHeld())
            event.preventDefault();
    };
    const keepEscape = event => {
        if (event.key === "Escape")
            keep(event);
    };
    dialog.addEventListener("cancel", keep);
    document.addEventListener("keydown", keepEscape, true);
    window.addEventListener("beforeunload", keep);
    return () => {
        document.removeEventListener("keydown", keepEscape, true);
        window.removeEventListener("beforeunload", keep);
    };
}

// A refresh behind the dialog has replaced the button that opened it.
function focusAgain(before) {
    const key = before?.getAttribute("data-key");
    const same = before?.isConnected || !key ? before : document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    same?.focus();
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
