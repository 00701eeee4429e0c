// The dialog of the settings. All of them are changed at once, or none.
import { buttons, open } from "./dialog.js";
import { button, choice, element, field } from "./dom.js";
import { form } from "./set_up.js";
import { changePolicy } from "./policy_change.js";

const _ = cockpit.gettext;

function number(value, min, max) {
    return element("input", { type: "number", value, min, max, required: true });
}

// Key of the policy, its value now, its field, label and help.
function fields(policy) {
    return [
        ["enforcement", policy.enforcement,
            choice(policy.enforcement, [["optional", _("log in with the password alone")], ["mandatory", _("must set one up, or are refused")]]),
            _("Users without a device"), null],
        ["enroll_at_login", policy.enroll_at_login,
            choice(policy.enroll_at_login, [["off", _("not offered")], ["offer", _("offered")], ["require", _("required")]]),
            _("Set-up at login"), _("After the right password, in the dialogue of the login.")],
        ["window", policy.window, number(policy.window, 0, 10),
            _("Window"), _("Codes before and after the current one that count, 0 to 10. 1 means three valid codes. More make guessing easier.")],
        ["new_devices.digits", policy.new_devices.digits, choice(policy.new_devices.digits, [["6", "6"], ["7", "7"], ["8", "8"]]),
            _("Digits of new devices"), _("Not each app can show 7 or 8.")],
        ["new_devices.interval", policy.new_devices.interval, number(policy.new_devices.interval, 5, 3600),
            _("Interval of new devices, in seconds"), _("5 to 3600. Google Authenticator needs 30.")],
    ];
}

export async function editSettings(policy) {
    const all = fields(policy);
    const wanted = await open(_("Settings"), control => {
        const save = button(_("Save"), null, { kind: "primary", key: "save", type: "submit" });
        control.show(form(save, () => control.close(all.map(([key, , input]) => [key, input.value])),
            all.map(([key, , input, label, help]) => field(key.replace(".", "-"), label, input, help)),
            buttons(save, button(_("Cancel"), () => control.close(), { kind: "link", key: "cancel" }))));
    });
    if (wanted === null)
        return;
    const changed = wanted.filter(([, value], at) => String(all[at][1]) !== value);
    if (changed.length > 0)
        await changePolicy(_("Change the settings?"), ["policy", "set", ...changed.flat()]);
}
