// Recovery codes, which are shown once: with download, print and copy, and no way out before they are said to be kept.
import { buttons, open } from "./dialog.js";
import { button, element, message, paragraph } from "./dom.js";
import { copyButton, downloadButton, emptySheet, printButton } from "./copying.js";
import { language } from "./texts.js";

const _ = cockpit.gettext;

export async function showRecoveryCodes(user, codes) {
    const host = location.hostname || "localhost";
    const text = [
        cockpit.format(_("Recovery codes of $0 for $1"), user, host),
        new Date().toLocaleDateString(language()),
        "",
        _("Each works once, instead of a code."),
        "",
        ...codes,
        "",
    ].join("\n");
    await open(_("Recovery codes"), control => {
        const done = button(_("Done"), () => control.close(), { kind: "primary", key: "done" });
        done.setAttribute("aria-describedby", "done-note");
        const note = element("span", { class: "subtle", id: "done-note", "aria-live": "polite" });
        const kept = element("input", { type: "checkbox", id: "kept", "data-first": true, onchange: () => look() });
        const look = () => {
            done.disabled = !kept.checked;
            note.textContent = kept.checked ? "" : _("First confirm above that you have kept the codes.");
        };
        look();
        control.show(
            message("warning", _("These codes are shown only now."),
                paragraph(_("Each works once, when the phone is not at hand. Keep them where the phone is not."))),
            element("ul", { class: "codes" }, codes.map(code => element("li", {}, code))),
            buttons(
                downloadButton(_("Download"), text, `recovery-codes-${user}.txt`),
                printButton(_("Print"), text),
                copyButton(_("Copy"), codes.join("\n"))),
            element("label", { class: "line", for: "kept" }, kept, _("I have kept the codes in a safe place")),
            buttons(done, note));
    }, { dismissable: false });
    emptySheet();
}
