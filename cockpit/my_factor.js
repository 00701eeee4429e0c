// The card of the user's own factor. All of it goes through twofactord.
import { buttons, open, tell } from "./dialog.js";
import { button, element, field, message, paragraph, subtle, table, whileBusy } from "./dom.js";
import { DaemonConversation, ask } from "./daemon.js";
import { showRecoveryCodes } from "./recovery_codes.js";
import { form, setUp } from "./set_up.js";
import { codes, language, lockedFor, moment, problem, refused } from "./texts.js";

const _ = cockpit.gettext;

// A device that twofactord makes, on a connection that ends with the dialog.
class OwnDevice {
    constructor(user, method, device) {
        this.user = user;
        this.method = method;
        this.device = device;
        this.conversation = new DaemonConversation();
    }

    async begin(code) {
        return (await this.conversation.call(this.method, { user: this.user, device: this.device, code })).change;
    }

    async confirm(code) {
        return (await this.conversation.call("Confirm", { user: this.user, code })).change;
    }

    get ended() {
        return this.conversation.ended;
    }

    close() {
        this.conversation.close();
    }
}

const PROOF = () => ({
    kind: "code",
    label: _("A code of one of your devices, or a recovery code"),
    help: _("It is used up. The next step needs the next code of that device."),
});

// What stands before the devices: nothing, or why the page does not offer a change.
function hindrance(status) {
    if (!status.may.manage)
        return _("Your administrator sets up devices; the settings do not let users do it.");
    if (status.devices.length === 0 && status.may.first_device === "off")
        return _("Your administrator sets up the first device.");
    return null;
}

export async function configure(user, status) {
    const isFirst = status.devices.length === 0;
    const invited = { kind: "invitation", label: _("Enrollment code from your administrator"), help: null };
    const proof = isFirst ? (status.may.first_device === "invite" ? invited : null) : PROOF();
    const names = status.devices.map(device => device.name);
    const free = ["phone", "backup", "tablet", "phone2", "phone3"].find(name => !names.includes(name));
    const isStored = await setUp(_("Configure 2FA secret"), user, device => new OwnDevice(user, "Begin", device), {
        name: free ?? "", proof,
        words: { finish: _("Finish"), skip: _("Skip setup"), meanwhile: _("Nothing is stored before a code was right.") },
    });
    if (isStored && isFirst)
        sessionStorage.setItem(untriedKey(user), "1");
}

// The first device was set up in this session: no login has asked for its code yet. Cockpit empties this storage at the
// end of its session.
const untriedKey = user => `twofactor:untried:${user}`;
const isUntried = user => sessionStorage.getItem(untriedKey(user)) === "1";

async function renew(user, device) {
    return await setUp(cockpit.format(_("Renew $0"), device), user, () => new OwnDevice(user, "Renew", device), {
        proof: PROOF(),
        words: { finish: _("Finish"), skip: _("Cancel"), meanwhile: _("The old key works until a code of the new one was right.") },
    });
}

// A change that takes a code; resolves with the change that was made, or null.
async function withCode(title, action, warning, proof, call) {
    return await open(title, control => {
        const input = element("input", { type: "text", class: "code", required: true, spellcheck: "false", autocomplete: "one-time-code", "data-first": true });
        const submit = button(action, null, { kind: "danger", key: "confirm", type: "submit" });
        const again = why => {
            control.fail(why);
            submit.disabled = false;
            input.value = "";
            input.focus();
        };
        control.show(form(submit, async () => {
            try {
                const { change } = await control.busy(() => call(input.value.trim()));
                if (["removed", "replaced"].includes(change.result))
                    control.close(change);
                else
                    again(refused(change));
            } catch (error) {
                again(problem(error));
            }
        },
        warning.map(paragraph),
        field("proof", proof.label, input, proof.help),
        buttons(submit, button(_("Cancel"), () => control.close(), { kind: "link", key: "cancel" }))));
    });
}

// What speaks against such a change before its code is typed, which would be used up; null where nothing does.
async function refusedBefore(method, parameters) {
    try {
        const { change } = await whileBusy(ask(method, parameters));
        return change.result === "code_required" ? null : refused(change);
    } catch (error) {
        return problem(error);
    }
}

// Without a device all go: those that the page shows, and no others.
async function unset(user, device, shown) {
    const warning = device === null
        ? [_("All your devices and recovery codes stop working at once. You log in without a code from then on."),
            _("This also takes a login that is at most 10 minutes old.")]
        : [_("Its codes stop working at once.")];
    const title = device === null ? _("Unset 2FA secret") : cockpit.format(_("Unset $0"), device);
    const wanted = device === null ? { user, all: shown.map(one => one.name) } : { user, device };
    const why = device === null ? await refusedBefore("Unset", wanted) : null;
    if (why !== null)
        return tell(title, message("danger", why));
    return withCode(title, _("Unset"), warning, PROOF(),
        code => ask("Unset", { ...wanted, code }));
}

async function newRecoveryCodes(user) {
    const proof = { ...PROOF(), label: _("A code of one of your devices") };
    const warning = [_("The old recovery codes stop working."), _("This also takes a login that is at most 10 minutes old.")];
    const title = _("New recovery codes");
    const why = await refusedBefore("NewRecoveryCodes", { user });
    if (why !== null)
        return tell(title, message("danger", why));
    const change = await withCode(title, _("Make new codes"), warning, proof, code => ask("NewRecoveryCodes", { user, code }));
    if (change !== null)
        await showRecoveryCodes(user, change.recovery_codes);
}

function rows(user, status, refresh) {
    const may = status.may.manage;
    return status.devices.map(device => element("tr", {},
        element("th", { scope: "row" }, device.name),
        element("td", {}, codes(device)),
        element("td", {}, moment(device.last_used)),
        element("td", { class: "actions" },
            may && button(_("Renew"), async () => { await renew(user, device.name); refresh(); },
                { kind: "link", key: `renew-${device.name}`, of: device.name }),
            may && status.devices.length > 1 && button(_("Unset"), async () => { await unset(user, device.name); refresh(); },
                { kind: "link remove", key: `unset-${device.name}`, of: device.name }))));
}

export async function ownStatus(user) {
    try {
        return await ask("Status", { user });
    } catch (error) {
        return { error };
    }
}

// Why administrative access right after a login wants another code; null where a login's code counts for it, and without a
// device.
export function onceOnly({ devices = [] }, policy) {
    if (devices.length === 0 || policy.grace_session > 0)
        return null;
    const intervals = new Set(devices.filter(device => device.kind === "totp").map(device => device.interval));
    if (intervals.size === 0)
        return _("A code works once: administrative access after your login needs the next code.");
    const listed = new Intl.ListFormat(language(), { type: "disjunction" })
        .format([...intervals].sort((one, other) => one - other).map(String));
    return cockpit.format(_("A code works once: administrative access within the same $0 seconds as your login needs the next code."), listed);
}

export function myFactor(user, { own: status, policy, isAdmin }, refresh) {
    const heading = element("h2", { id: "mine" }, cockpit.format(_("My second factor ($0)"), user));
    const card = (...parts) => element("section", { class: "card", "aria-labelledby": "mine" }, parts);
    if (status.error)
        return card(heading, message("danger", _("Your devices cannot be shown."), paragraph(problem(status.error))));
    const { devices, may } = status;
    const why = hindrance(status);
    const add = why === null && button(devices.length === 0 ? _("Configure 2FA secret") : _("Add a device"),
        async () => { await configure(user, status); refresh(); },
        { kind: devices.length === 0 ? "primary" : "secondary", key: "configure" });
    const once = isAdmin ? onceOnly(status, policy) : null;
    return card(
        element("div", { class: "head" }, heading, add),
        why && subtle(why),
        devices.length > 0 && policy.enabled && isUntried(user) && message("info", _("Try it now: log out, and log in with a code."),
            paragraph(_("Leave two-factor login for SSH off until that has worked."))),
        status.locked && message("warning", lockedFor(status.locked_for_seconds)),
        devices.length === 0
            ? subtle(_("You have no device. Where no code is asked for, your password alone logs you in."))
            : table([_("Device"), _("Codes"), _("Last used"), ""], rows(user, status, refresh), _("My devices")),
        devices.length === 1 && message("info", _("A second device, as a backup, is strongly recommended.")),
        devices.length > 0 && element("div", { class: "line" },
            cockpit.format(cockpit.ngettext("$0 recovery code left", "$0 recovery codes left", status.recovery_codes_left), status.recovery_codes_left),
            may.manage && button(_("New recovery codes"), async () => { await newRecoveryCodes(user); refresh(); }, { key: "new-codes" }),
            may.manage && may.unset_last && button(_("Unset 2FA secret"), async () => { await unset(user, null, devices); refresh(); },
                { kind: "secondary remove", key: "unset-all" })),
        devices.length > 0 && !may.unset_last && subtle(_("The settings do not let you remove your last device.")),
        devices.length > 0 && may.manage && subtle(_("The QR code of a stored key is not shown again. For another phone, renew the device: that shows a new one.")),
        once && subtle(once));
}
