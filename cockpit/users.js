// The users of the machine, for administrators. What is changed here is changed by the command, as root.
import { buttons, confirm, open, tell } from "./dialog.js";
import { button, element, message, paragraph, subtle, table, whileBusy } from "./dom.js";
import { copyButton } from "./copying.js";
import { makeShown, OtherDevice, run } from "./command.js";
import { setUp } from "./set_up.js";
import { changedMeanwhile, moment, problem } from "./texts.js";

const _ = cockpit.gettext;
// What the filter shows, across a refresh.
const filter = { text: "", state: "all" };

// The word for the state of a user, its look, and the state by which the filter finds it.
function stateOf(record) {
    if (record.kind === "name-service")
        return ["unanswered", _("Not looked up"), "warning"];
    if (record.error)
        return ["unusable", _("Cannot be used"), "bad"];
    if (record.locked || record.daemon?.locked)
        return ["locked", _("Locked"), "bad"];
    if (record.devices.length > 0)
        return ["enrolled", _("Enrolled"), "good"];
    return ["missing", _("Not enrolled"), record.required ? "warning" : ""];
}

function matches(record) {
    const wanted = filter.text.toLowerCase();
    const isNamed = [record.user, record.full_name ?? ""].some(name => name.toLowerCase().includes(wanted));
    return isNamed && (filter.state === "all" || stateOf(record)[0] === filter.state);
}

export function users({ status }, me, refresh) {
    if (status === null)
        return null;
    const heading = element("h2", { id: "users" }, _("Users"));
    const card = (...parts) => element("section", { class: "card", "aria-labelledby": "users" }, parts);
    if (status.error)
        return card(heading, message("danger", problem(status.error), status.error.next && paragraph(status.error.next)));
    const place = element("div", {});
    const fill = () => place.replaceChildren(list(status.users.filter(matches), me, refresh));
    fill();
    return card(
        element("div", { class: "head" }, heading, subtle(cockpit.format(_("$0 of $1 enrolled"), status.totals.enrolled, status.totals.users))),
        filters(fill),
        place);
}

function filters(fill) {
    const text = element("input", { type: "search", "data-key": "filter", value: filter.text, "aria-label": _("Filter by name"), placeholder: _("Filter by name") });
    text.addEventListener("input", () => { filter.text = text.value; fill(); });
    const states = [["all", _("All")], ["enrolled", _("Enrolled")], ["missing", _("Not enrolled")], ["locked", _("Locked")], ["unusable", _("Cannot be used")], ["unanswered", _("Not looked up")]];
    const state = element("select", { "data-key": "filter-state", "aria-label": _("Filter by state") },
        states.map(([value, label]) => element("option", { value, selected: value === filter.state }, label)));
    state.addEventListener("change", () => { filter.state = state.value; fill(); });
    return element("div", { class: "filters" }, text, state);
}

function list(records, me, refresh) {
    if (records.length === 0)
        return subtle(_("No user matches."));
    const headings = [_("User"), _("State"), _("Devices"), _("Recovery codes"), _("Last used"), ""];
    return table(headings, records.map(record => row(record, me, refresh)), _("List of users"));
}

function row(record, me, refresh) {
    const { user, devices } = record;
    const [, word, look] = stateOf(record);
    const isEnrolled = devices.length > 0;
    return element("tr", { "data-user": user },
        element("th", { scope: "row" }, user, record.full_name && element("div", { class: "subtle" }, record.full_name)),
        element("td", {},
            element("span", { class: `badge ${look}` }, word),
            record.administrator && element("span", { class: "badge" }, _("Administrator")),
            record.exempt && element("span", { class: "badge" }, _("Exempt")),
            record.bypass_until && element("span", { class: "badge warning" }, _("Bypass code")),
            record.invited_until && element("span", { class: "badge warning" }, _("Invited")),
            record.error && element("div", { class: "subtle" }, record.error)),
        element("td", {}, devices.map(device => device.name).join(", ") || "–"),
        element("td", {}, isEnrolled ? String(record.recovery_codes_left) : "–"),
        element("td", {}, isEnrolled ? moment(record.last_used) : "–"),
        element("td", { class: "actions" }, actions(record, me, refresh)));
}

function actions(record, me, refresh) {
    const { user } = record;
    // Another name of the same user id is the same user.
    if (user === me.name || record.uid === me.id)
        return subtle(_("See above: your own factor is changed with a code."));
    const action = (label, key, call, kind = "link") =>
        button(label, async () => { await call(); refresh(); }, { kind, key: `${key}-${user}`, of: user });
    const isEnrolled = record.devices.length > 0;
    return [
        !record.error && action(isEnrolled ? _("Add a device") : _("Set up"), "set-up", () => configure(record)),
        isEnrolled && action(_("Bypass code"), "bypass", () => bypass(user)),
        record.bypass_until && action(_("Withdraw the bypass code"), "withdraw-bypass", () => withdraw("bypass", user), "link remove"),
        !isEnrolled && !record.error && action(_("Invite"), "invite", () => oneTimeCode("invite", user)),
        record.invited_until && action(_("Withdraw the invitation"), "withdraw-invite", () => withdraw("invite", user), "link remove"),
        (record.failures > 0 || record.locked || record.daemon?.locked) && action(_("Unlock"), "unlock", () => unlock(user)),
        (isEnrolled || (record.error && record.kind !== "name-service")) && action(_("Unset"), "unset", () => unset(user), "link remove"),
    ];
}

// Sets up a device of a user who is at hand: the administrator's screen shows the QR code to the user's phone.
async function configure({ user, devices }) {
    const name = ["phone", "backup", "tablet"].find(one => !devices.some(device => device.name === one)) ?? "";
    await setUp(cockpit.format(_("Configure 2FA secret of $0"), user), user, device => new OtherDevice(user, device), {
        name,
        words: { finish: _("Finish"), skip: _("Skip setup"), meanwhile: _("Nothing is stored before a code was right.") },
    });
}

async function attempt(args, name) {
    try {
        return await whileBusy(run([...args, "--", name]));
    } catch (error) {
        await tellFailure(name, error);
        return null;
    }
}

async function tellFailure(name, error) {
    await tell(cockpit.format(_("Not done for $0"), name), message("danger", problem(error), error.next && element("p", { class: "report" }, error.next)));
}

// Says which devices do not work all the same: an unlock has no word on the clock.
async function unlock(name) {
    const report = await attempt(["unlock"], name);
    const waiting = report?.waiting_for_clock ?? [];
    if (waiting.length === 0)
        return;
    await tell(cockpit.format(_("Codes of $0 stay refused"), name),
        message("warning", cockpit.format(_("The last code of $0 is of a time that this machine's clock has not reached."), waiting.join(", "))),
        paragraph(_("If the clock is behind, set it right. If it is right, and was ahead then, call twofactor unlock --clock-is-right for this user, as root.")));
}

// What removing a factor does to the next login.
const NEXT_LOGIN = {
    "code": _("The next login still asks for a code."),
    "no-code": _("The next login takes the password alone."),
    "enroll": _("The next login makes the user set up a device."),
    "refused": _("The next login is refused: a device is required."),
};

async function unset(name, notice = null) {
    const title = cockpit.format(_("Unset the 2FA secret of $0?"), name);
    const report = await attempt(["unset", "--dry-run"], name);
    if (report === null)
        return;
    const content = [
        notice && message("warning", notice),
        _("The devices and recovery codes stop working at once."),
        NEXT_LOGIN[report.next_login] ?? _("What the next login does is not known."),
        report.fault && message("danger", report.fault),
        report.everywhere && message("danger", _("It counts on all hosts of the fleet.")),
        ...report.dangers.map(danger => message("danger", danger)),
    ];
    if (!await confirm(title, _("Unset"), { content }))
        return;
    try {
        await whileBusy(makeShown(["unset"], report, ["--", name]));
    } catch (error) {
        await (error.kind === "new-danger" ? unset(name, changedMeanwhile()) : tellFailure(name, error));
    }
}

async function bypass(name) {
    const content = [
        _("It works once, for a day, instead of a code of a device. An unused one before it no longer works."),
        _("Make sure first that it is this user who asks."),
    ];
    if (await confirm(cockpit.format(_("Make a bypass code for $0?"), name), _("Make the code"), { danger: false, content }))
        await oneTimeCode("bypass", name);
}

async function withdraw(command, name) {
    const isBypass = command === "bypass";
    const title = isBypass ? cockpit.format(_("Withdraw the bypass code of $0?"), name) : cockpit.format(_("Withdraw the invitation of $0?"), name);
    if (await confirm(title, _("Withdraw"), { content: [_("The code no longer works.")] }))
        await attempt([command, "--for", "0"], name);
}

async function oneTimeCode(command, name) {
    // A new code is shown, so an earlier invitation ends.
    const report = await attempt(command === "invite" ? [command, "--replace"] : [command], name);
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
