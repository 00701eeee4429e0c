// The dialog of the settings. All of them are changed at once, or none.
import { buttons, open } from "./dialog.js";
import { button, choice, element, field } from "./dom.js";
import { form } from "./set_up.js";
import { changePolicy } from "./policy_change.js";
import { choicesOf, helpOf, labelOf } from "./setting_words.js";

const _ = cockpit.gettext;

const among = (key, value) => choice(value, choicesOf(key));
const within = (min, max) => (_key, value) => element("input", { type: "number", value, min, max, required: true });

// The settings of the dialog: key, value now, and field.
function fields(policy) {
    const { digits, interval } = policy.new_devices;
    return [
        ["enforcement", policy.enforcement, among],
        ["enroll_at_login", policy.enroll_at_login, among],
        ["window", policy.window, within(0, 10)],
        ["new_devices.digits", digits, among],
        ["new_devices.interval", interval, within(5, 3600)],
    ].map(([key, value, make]) => ({ key, value, input: make(key, value) }));
}

export async function editSettings(policy) {
    const all = fields(policy);
    const wanted = await open(_("Settings"), control => {
        const save = button(_("Save"), null, { kind: "primary", key: "save", type: "submit" });
        control.show(form(save, () => control.close(all.map(({ key, value, input }) => [key, value, input.value])),
            all.map(({ key, input }) => field(key.replace(".", "-"), labelOf(key), input, helpOf(key))),
            buttons(save, button(_("Cancel"), () => control.close(), { kind: "link", key: "cancel" }))));
    });
    if (wanted === null)
        return;
    const changed = wanted.filter(([, before, value]) => String(before) !== value).map(([key, , value]) => [key, value]);
    if (changed.length > 0)
        await changePolicy(_("Change the settings?"), ["policy", "set", ...changed.flat()]);
}
