// A change of the policy: what it will do is shown, with its dangers, before exactly that change is made.
import { buttons, open } from "./dialog.js";
import { button, element, message, paragraph, subtle } from "./dom.js";
import { commandLine, makeShown, run } from "./command.js";
import { labelOf, valueOf } from "./setting_words.js";
import { changedMeanwhile, problem } from "./texts.js";

const _ = cockpit.gettext;
// So many names of one kind are shown; of the others, how many they are.
const NAMES = 12;

// Shows the effect of a call of the command, and makes the change if it is confirmed; true if it was made. `first` is what
// to do before it: a title and a text.
export async function changePolicy(title, args, first = null) {
    return await open(title, control => preview(control, { args, first }, null)) === true;
}

async function preview(control, change, notice) {
    control.show(subtle(_("Looking at what this will do…")));
    try {
        const report = await run([...change.args, "--dry-run"]);
        if (report.changed.length === 0)
            control.close(true);
        else
            ask(control, change, report, notice);
    } catch (error) {
        control.show(buttons(button(_("Close"), () => control.close(), { key: "close", "data-first": true })));
        control.fail(problem(error), next(error));
    }
}

function next(error) {
    return error.next && element("p", { class: "report" }, error.next);
}

// A process that is stopped may hold the lock for good, and the page does not force a change past it.
function wayOut(args) {
    return paragraph(cockpit.format(_("If that process does not end, type as root: $0"), commandLine(args)));
}

function ask(control, change, report, notice) {
    const { args, first } = change;
    const isDangerous = report.dangers.length > 0 || report.refused.length > 0;
    const go = button(isDangerous ? _("Do it all the same") : _("Confirm"), async () => {
        go.disabled = true;
        try {
            await control.busy(() => makeShown(args, report));
            control.close(true);
        } catch (error) {
            if (error.kind === "changed-meanwhile" || error.kind === "new-danger") {
                preview(control, change, changedMeanwhile());
                return;
            }
            go.disabled = false;
            control.fail(problem(error), next(error), error.kind === "busy" && wayOut([...args, "--force"]));
        }
    }, { kind: isDangerous ? "danger" : "primary", key: "confirm", "data-first": !isDangerous });
    control.show(
        notice && message("warning", notice),
        report.dangers.length > 0 && message("danger", _("Users may be locked out."), report.dangers.map(paragraph),
            report.steps.length > 0 && [subtle(_("What to do first:")), element("ul", { class: "subtle" }, report.steps.map(step => element("li", {}, step)))]),
        report.refused.length > 0 && message("danger", _("These users will be refused:"), paragraph(named(report.refused))),
        first && message("info", first.title, paragraph(first.text)),
        effect(report),
        report.warnings.length > 0 && message("warning", _("Think of this, too:"), report.warnings.map(paragraph)),
        paragraph(_("Keep a root shell open until a login in a second window has worked.")),
        buttons(go, button(_("Cancel"), () => control.close(), { kind: "link", key: "cancel", "data-first": isDangerous })));
}

function effect(report) {
    const lines = [
        ...report.changed.map(({ key, value }) => [labelOf(key), valueOf(key, value)]),
        [_("Asked for a code"), named(report.asked)],
        [_("Log in without a code"), named(report.not_asked)],
        [_("Must set up a device at the next login"), report.must_enroll.length > 0 && named(report.must_enroll)],
        [_("No longer asked"), report.no_longer_asked.length > 0 && named(report.no_longer_asked)],
        ...report.required_later.map(({ from, users }) => [cockpit.format(_("Need a device from $0"), from), named(users)]),
    ];
    return element("dl", { class: "effect" },
        lines.filter(([, text]) => text).map(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]));
}

function named(users) {
    if (users.length === 0)
        return _("no user");
    const rest = users.length - NAMES;
    const names = users.slice(0, NAMES).join(", ");
    if (rest <= 0)
        return names;
    return cockpit.format(cockpit.ngettext("$0 and $1 more user", "$0 and $1 more users", rest), names, rest);
}
