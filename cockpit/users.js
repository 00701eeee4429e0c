// The users of the machine, for administrators. What is changed here is changed by the command, as root.
import { buttons, confirm, open, tell } from "./dialog.js";
import { button, element, message, paragraph, subtle, table } from "./dom.js";
import { copyButton } from "./copying.js";
import { run } from "./command.js";
import { moment, problem } from "./texts.js";

const _ = cockpit.gettext;
// What the filter shows, across a refresh.
const filter = { text: "", state: "all" };

// Accounts that can log in, and all that have a record: `status` names only the latter.
function merged(passwd, known) {
    const records = new Map(known.map(record => [record.user, record]));
    const all = new Map();
    for (const line of passwd.split("\n")) {
        const [name, , uid, , gecos, , shell] = line.split(":");
        const isPerson = Number(uid) === 0 || (Number(uid) >= 1000 && Number(uid) < 65534);
        if (shell !== undefined && isPerson && !/(nologin|false)$/.test(shell))
            all.set(name, { name, fullName: gecos.split(",")[0], record: records.get(name) ?? null });
    }
    for (const record of known)
        if (!all.has(record.user))
            all.set(record.user, { name: record.user, fullName: "", record });
    return [...all.values()].sort((one, other) => one.name.localeCompare(other.name));
}

// The word for the state of a user, its look, and the state by which the filter finds it.
function stateOf({ record }) {
    if (record?.error)
        return ["damaged", _("Damaged"), "bad"];
    if (record?.locked)
        return ["locked", _("Locked"), "bad"];
    if (record?.devices.length > 0)
        return ["enrolled", _("Enrolled"), "good"];
    return ["missing", _("Not enrolled"), record?.required ? "warning" : ""];
}

function matches(person) {
    const wanted = filter.text.toLowerCase();
    const isNamed = [person.name, person.fullName].some(name => name.toLowerCase().includes(wanted));
    return isNamed && (filter.state === "all" || stateOf(person)[0] === filter.state);
}

export function users({ status, people }, me, refresh) {
    if (status === null)
        return null;
    const heading = element("h2", { id: "users" }, _("Users"));
    const card = (...parts) => element("section", { class: "card", "aria-labelledby": "users" }, parts);
    if (status.error)
        return card(heading, message("danger", problem(status.error), status.error.next && paragraph(status.error.next)));
    const all = merged(people, status.users);
    const enrolled = all.filter(person => person.record?.devices.length > 0).length;
    const place = element("div", {});
    const fill = () => place.replaceChildren(list(all.filter(matches), me, refresh));
    fill();
    return card(
        element("div", { class: "head" }, heading, subtle(cockpit.format(_("$0 of $1 enrolled"), enrolled, all.length))),
        filters(fill),
        place);
}

function filters(fill) {
    const text = element("input", { type: "search", "data-key": "filter", value: filter.text, "aria-label": _("Filter by name"), placeholder: _("Filter by name") });
    text.addEventListener("input", () => { filter.text = text.value; fill(); });
    const states = [["all", _("All")], ["enrolled", _("Enrolled")], ["missing", _("Not enrolled")], ["locked", _("Locked")], ["damaged", _("Damaged")]];
    const state = element("select", { "data-key": "filter-state", "aria-label": _("Filter by state") },
        states.map(([value, label]) => element("option", { value, selected: value === filter.state }, label)));
    state.addEventListener("change", () => { filter.state = state.value; fill(); });
    return element("div", { class: "filters" }, text, state);
}

function list(people, me, refresh) {
    if (people.length === 0)
        return subtle(_("No user matches."));
    const headings = [_("User"), _("State"), _("Devices"), _("Recovery codes"), _("Last used"), ""];
    return table(headings, people.map(person => row(person, me, refresh)), _("Users"));
}

function row(person, me, refresh) {
    const { name, fullName, record } = person;
    const devices = record?.devices ?? [];
    const [, word, look] = stateOf(person);
    const used = devices.map(device => device.last_used).filter(Boolean).sort().at(-1);
    return element("tr", { "data-user": name },
        element("th", { scope: "row" }, name, fullName && element("div", { class: "subtle" }, fullName)),
        element("td", {},
            element("span", { class: `badge ${look}` }, word),
            record?.bypass_until && element("span", { class: "badge warning" }, _("Bypass code")),
            record?.invited_until && element("span", { class: "badge warning" }, _("Invited")),
            record?.error && element("div", { class: "subtle" }, record.error)),
        element("td", {}, devices.map(device => device.name).join(", ") || "–"),
        element("td", {}, devices.length > 0 ? String(record.recovery_codes_left) : "–"),
        element("td", {}, devices.length > 0 ? moment(used) : "–"),
        element("td", { class: "actions" }, actions(person, me, refresh)));
}

function actions({ name, record }, me, refresh) {
    const action = (label, key, call, kind = "link") =>
        button(label, async () => { await call(); refresh(); }, { kind, key: `${key}-${name}`, of: name });
    const isOwn = name === me;
    const isEnrolled = record?.devices.length > 0;
    return [
        !isOwn && isEnrolled && action(_("Bypass code"), "bypass", () => oneTimeCode("bypass", name)),
        !isOwn && !isEnrolled && action(_("Invite"), "invite", () => oneTimeCode("invite", name)),
        !isOwn && (record?.failures > 0 || record?.locked) && action(_("Unlock"), "unlock", () => attempt(["unlock"], name)),
        !isOwn && (isEnrolled || record?.error) && action(_("Unset"), "unset", () => unset(name), "link remove"),
        isOwn && subtle(_("See above: your own factor is changed with a code.")),
    ];
}

async function attempt(args, name) {
    try {
        return await run([...args, "--", name]);
    } catch (error) {
        await tell(cockpit.format(_("Not done for $0"), name), message("danger", problem(error), error.next && paragraph(error.next)));
        return null;
    }
}

async function unset(name) {
    const content = [_("The devices and recovery codes stop working at once. The user logs in without a code from then on, or is refused where a device is required.")];
    if (await confirm(cockpit.format(_("Unset the 2FA secret of $0?"), name), _("Unset"), { content }))
        await attempt(["unset", "--yes"], name);
}

async function oneTimeCode(command, name) {
    const report = await attempt([command], name);
    if (report === null)
        return;
    const isBypass = command === "bypass";
    const title = isBypass ? cockpit.format(_("Bypass code of $0"), name) : cockpit.format(_("Enrollment code of $0"), name);
    await open(title, control => control.show(
        paragraph(isBypass ? _("It works once, instead of a code of a device.") : _("With it, the user can set up a device.")),
        element("div", { class: "key", id: "one-time-code" }, report.code),
        subtle(cockpit.format(_("Until $0. It is not shown again."), moment(report.expires))),
        buttons(
            copyButton(_("Copy"), report.code),
            button(_("Close"), () => control.close(), { kind: "primary", key: "close", "data-first": true }))));
}
