// A change of the policy: what it will do is shown, with its danger, before it is made.
import { buttons, open, tell } from "./dialog.js";
import { button, element, message, paragraph } from "./dom.js";
import { announced, run } from "./command.js";
import { problem } from "./texts.js";

const _ = cockpit.gettext;

// Shows the effect of a change and makes it if it is confirmed.
export async function switchPolicy(args, title) {
    const preview = await announced(args);
    if (preview.isDone)
        return;
    if (!preview.mayProceed) {
        await tell(title, message("danger", preview.refusal), paragraph(preview.next));
        return;
    }
    await open(title, control => show(control, preview, async isForced => {
        try {
            await run([...args, "--yes", ...(isForced ? ["--force"] : [])]);
            control.close();
        } catch (error) {
            control.fail(problem(error), error.next && paragraph(error.next));
        }
    }));
}

function show(control, preview, make) {
    const isDangerous = preview.refusal !== null;
    const go = button(isDangerous ? _("Do it all the same") : _("Confirm"), async () => {
        go.disabled = true;
        await make(isDangerous);
        go.disabled = false;
    }, { kind: isDangerous ? "danger" : "primary", key: "confirm", "data-first": !isDangerous });
    control.show(
        isDangerous && message("danger", preview.refusal, paragraph(_("Users may be locked out."))),
        element("pre", { class: "effect" }, preview.effect),
        paragraph(_("Keep a root shell open until a login in a second window has worked.")),
        buttons(go, button(_("Cancel"), () => control.close(), { kind: "link", key: "cancel", "data-first": isDangerous })));
}
