// The dialog in which a device gets its key: QR code, a code of it as the proof that it has the key, recovery codes.
// Where the key comes from is the matter of a `source`: an object with begin(code) and confirm(code), which resolve with a
// change as twofactord describes it, and close(); perhaps a promise `ended`, settled when the source ends by itself. Closing the
// dialog closes the source, and nothing is stored: while a code is looked at, the dialog cannot be closed.
import { buttons, open } from "./dialog.js";
import { button, element, field, message, paragraph, subtle } from "./dom.js";
import { copyButton } from "./copying.js";
import { DaemonError } from "./daemon.js";
import { showRecoveryCodes } from "./recovery_codes.js";
import { codes, problem, refused } from "./texts.js";

const _ = cockpit.gettext;

// Runs the dialog; true if the device is stored. `proof` is the label of the field for a code that must be given before,
// or null; `words` has the labels of the last buttons.
export async function setUp(title, user, makeSource, { name = null, proof = null, words }) {
    const stored = await open(title, control => {
        const state = { control, makeSource, source: null, words };
        control.closed.then(() => state.source?.close());
        if (name === null && proof === null)
            begin(state, {});
        else
            askFirst(state, name, proof);
    });
    if (stored?.recovery_codes?.length)
        await showRecoveryCodes(user, stored.recovery_codes);
    return stored !== null;
}

// The name of the device, and a code that proves who asks.
function askFirst(state, name, proof) {
    const nameInput = name !== null && element("input", {
        type: "text", value: name, required: true, maxlength: 32, pattern: "[A-Za-z0-9._\\-]+", "data-first": proof === null });
    const codeInput = proof !== null && codeField(proof.kind);
    const next = button(_("Show QR"), null, { kind: "primary", key: "next", type: "submit" });
    state.control.show(form(next, () => begin(state, {
        device: nameInput ? nameInput.value : undefined,
        code: codeInput ? codeInput.value.trim() : undefined,
        again: why => {
            state.control.fail(why);
            next.disabled = false;
            if (codeInput)
                codeInput.value = "";
            (codeInput || nameInput).focus();
        },
    }),
    nameInput && field("device", _("Name of the device"), nameInput, _("It tells several devices apart. Letters, digits, dot, hyphen and underscore.")),
    codeInput && field("proof", proof.label, codeInput, proof.help),
    buttons(next, button(_("Cancel"), () => state.control.close(), { kind: "link", key: "cancel" }))));
}

function codeField(kind) {
    return element("input", {
        type: "text", class: "code", required: true, spellcheck: "false", autocapitalize: "characters", "data-first": true,
        inputmode: kind === "code" ? "numeric" : null, autocomplete: kind === "code" ? "one-time-code" : "off" });
}

// A form that is sent once, until its button is enabled again.
export function form(submit, send, ...children) {
    return element("form", {
        class: "content",
        onsubmit: event => {
            event.preventDefault();
            if (submit.disabled)
                return;
            submit.disabled = true;
            send();
        },
    }, children);
}

async function begin(state, { device, code, again }) {
    state.source?.close();
    const stop = again ?? (why => failed(state, why));
    try {
        state.source = state.makeSource(device);
        const change = await state.source.begin(code);
        if (change.result === "pending")
            showKey(state, change);
        else
            stop(refused(change));
    } catch (error) {
        stop(problem(error));
    }
}

function failed(state, why) {
    state.source = null;
    state.control.show(buttons(button(_("Close"), () => state.control.close(), { key: "close", "data-first": true })));
    state.control.fail(why);
}

function showKey(state, change) {
    const input = codeField("code");
    const finish = button(state.words.finish, null, { kind: "primary", key: "finish", type: "submit" });
    state.control.show(form(finish, () => confirm(state, input, finish),
        element("div", { class: "setup" },
            qrCode(change.svg),
            element("div", { class: "content" },
                paragraph(_("1. Scan the QR code in an authenticator app, such as Aegis, FreeOTP or Google Authenticator. Or type in the key.")),
                keyOf(change),
                (change.warnings ?? []).map(text => message("warning", text)),
                field("code", _("2. Type the code that the app shows now"), input, state.words.meanwhile))),
        buttons(finish, button(state.words.skip, () => state.control.close(), { kind: "link", key: "skip" }))));
    tellOfEnd(state, finish);
}

// The key is gone with its source, and the user is told at once; a code that is being looked at tells itself.
async function tellOfEnd(state, finish) {
    const { source } = state;
    await source.ended;
    if (source.ended && state.source === source && finish.isConnected && !finish.disabled)
        failed(state, problem(new DaemonError("Ended")));
}

export function qrCode(svg) {
    if (!svg)
        return subtle(_("The key does not fit into a QR code."));
    return element("img", { class: "qr", alt: _("QR code with the key for the authenticator app"), src: `data:image/svg+xml;base64,${btoa(svg)}` });
}

// Key and address, masked until asked for.
export function keyOf({ device, secret, uri }) {
    const place = element("div", { class: "content" });
    const show = button(_("Show key"), () => {
        place.replaceChildren(
            element("div", { class: "key", id: "key" }, secret.match(/.{1,4}/g).join(" ")),
            subtle(codes(device)),
            element("div", { class: "key address", id: "uri" }, uri),
            buttons(copyButton(_("Copy the key"), secret), copyButton(_("Copy the address"), uri)));
        place.querySelector("button").focus();
    }, { key: "show-key" });
    place.append(show);
    return place;
}

async function confirm(state, input, finish) {
    try {
        const change = await state.control.busy(() => state.source.confirm(input.value.trim()));
        if (["stored", "replaced"].includes(change.result)) {
            state.control.close(change);
            return;
        }
        // Where no try is left the key is gone.
        if (change.result === "wrong" && change.tries_left === 0 || !["wrong", "clock", "code_required"].includes(change.result)) {
            failed(state, change.result === "wrong" ? refused({ result: "nothing_pending" }) : refused(change));
            return;
        }
        state.control.fail(refused(change));
    } catch (error) {
        failed(state, problem(error));
        return;
    }
    finish.disabled = false;
    input.value = "";
    input.focus();
}
