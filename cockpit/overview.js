// The switches, the settings in force, and what doctor has found.
import { button, element, message, paragraph, subtle } from "./dom.js";
import { editSettings } from "./settings.js";
import { changePolicy } from "./policy_change.js";
import { labelOf, valueOf } from "./setting_words.js";
import { problem } from "./texts.js";

const _ = cockpit.gettext;

// Without a policy that can be used, all users are refused. Another failure of a call says nothing about logins.
export function hasNoPolicy(error) {
    return ["no-policy", "invalid-policy"].includes(error?.kind);
}

// Why all users are refused though the policy can be read, such as a missing state directory; only root sees it.
export function storeError({ policy, status }) {
    const isMissing = status?.error?.kind === "no-store";
    return policy.error ? null : (isMissing ? problem(status.error) : status?.policy?.error ?? null);
}

export function overview(data, refresh) {
    const { policy, isAdmin } = data;
    const heading = element("h2", { id: "settings" }, _("Settings"));
    const card = (...parts) => element("section", { class: "card", "aria-labelledby": "settings" }, parts);
    if (policy.error)
        return card(heading, refusal(policy.error));
    const sshd = policy.services?.sshd === true;
    const change = (title, args, first) => async () => { await changePolicy(title, args, first); refresh(); };
    const unusable = storeError(data);
    return card(
        unusable !== null && message("danger", _("All users are refused"), element("p", { class: "report" }, unusable)),
        element("div", { class: "head" }, heading,
            isAdmin && button(_("Edit"), async () => { await editSettings(policy); refresh(); }, { key: "edit-settings" })),
        toggle(isAdmin, "switch-enabled", labelOf("enabled"), policy.enabled, null,
            change(policy.enabled ? _("Turn two-factor login off?") : _("Turn two-factor login on?"),
                [policy.enabled ? "disable" : "enable"],
                policy.enabled ? null : (sshd ? beforeSsh() : afterwards()))),
        toggle(isAdmin, "switch-sshd", labelOf("services.sshd"), sshd,
            sshNote(policy, sshd),
            change(sshd ? _("Turn two-factor login off for SSH?") : _("Turn two-factor login on for SSH?"),
                ["policy", "set", "services.sshd", String(!sshd)],
                sshd ? null : beforeSsh())),
        element("dl", {}, settings(policy).map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])));
}

function sshNote(policy, sshd) {
    if (!sshd)
        return _("Log out and in with a code first. Logins by key are not asked.");
    return policy.enabled ? _("Logins by key are not asked.") : _("It takes effect when two-factor login is on.");
}

// A device that has worked at another login shows that key and clocks are right, before SSH depends on them.
function beforeSsh() {
    return {
        title: _("Log out, and log in to Cockpit with a code first."),
        text: _("Leave SSH off until that has worked: it shows that the device, the clocks and the settings are right, while SSH still lets you in without a code."),
    };
}

function afterwards() {
    return {
        title: _("Then set up your own device."),
        text: _("Log out, and log in with a code, before you turn it on for SSH."),
    };
}

// A policy that cannot be read refuses; it is never "off".
function refusal(error) {
    if (!hasNoPolicy(error))
        return message("danger", _("The settings cannot be shown."),
            element("p", { class: "report" }, problem(error)),
            error.next && element("p", { class: "report" }, error.next));
    return message("danger", _("All users are refused"),
        paragraph(_("The settings are missing or invalid. Until that is fixed, each login that asks for a code is refused. Keep this session open.")),
        element("p", { class: "report" }, problem(error)),
        error.next && element("p", { class: "report" }, error.next));
}

function toggle(isAdmin, id, label, on, note, change) {
    const input = element("input", { type: "checkbox", role: "switch", id, "data-key": id, checked: on, disabled: !isAdmin, "aria-describedby": note && `${id}-note` });
    // The switch moves when the change was made.
    input.addEventListener("click", event => {
        event.preventDefault();
        change();
    });
    return element("div", { class: "line" },
        element("label", { class: "switch", for: id }, input, label),
        note && element("span", { class: "subtle", id: `${id}-note` }, note));
}

function settings(policy) {
    const { new_devices: devices } = policy;
    const lines = [
        ...["enforcement", "enroll_at_login", "window"].map(key => [labelOf(key), valueOf(key, policy[key])]),
        [_("New devices"), cockpit.format(_("$0 digits, a new code every $1 s"), devices.digits, devices.interval)],
    ];
    if (policy.require?.length > 0)
        lines.splice(1, 0, [_("Users who need a device"), policy.require.map(required).join("; ")]);
    if (policy.exempt?.length > 0)
        lines.push([_("Not asked for a code"), policy.exempt.map(exempt).join("; ")]);
    return lines;
}

function required({ users = [], groups = [], from = null }) {
    const who = named(users, groups);
    return from === null ? who : cockpit.format(_("$0, from $1"), who, from);
}

function exempt({ users = [], groups = [], services = [], networks = [] }) {
    return [named(users, groups), ...services, ...networks].filter(Boolean).join(", ");
}

function named(users, groups) {
    return [...users, ...groups.map(group => cockpit.format(_("group $0"), group))].join(", ");
}

const LEVELS = { problem: "danger", warning: "warning" };

// The card of doctor's report, which is filled when the report is there.
export function findings(report) {
    const heading = element("h2", { id: "findings" }, _("What doctor has found"));
    const place = element("div", { class: "content", "aria-busy": "true" }, subtle(_("Looking…")));
    report.then(doctor => {
        place.replaceChildren(...found(doctor));
        place.setAttribute("aria-busy", "false");
    });
    return element("section", { class: "card", "aria-labelledby": "findings" }, heading, place);
}

function found(doctor) {
    if (doctor.error)
        return [message("danger", problem(doctor.error), doctor.error.next && paragraph(doctor.error.next))];
    if (doctor.findings.length === 0)
        return [subtle(_("No problem."))];
    return doctor.findings.map(({ level, subject, cause, fix }) =>
        message(LEVELS[level] ?? "info", `${subject}: ${cause}`, element("p", { class: "report" }, fix)));
}
