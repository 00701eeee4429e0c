// Settings of the policy in the words of the page: the same in the overview, in the dialog that changes them, and in its preview.
const _ = cockpit.gettext;

const ON_OFF = [["true", _("on")], ["false", _("off")]];

// Label, help and, where they have words, values of a setting, by its key in the policy.
const SETTINGS = {
    "enabled": { label: _("Two-factor login"), values: ON_OFF },
    "services.sshd": { label: _("Two-factor login for SSH"), values: ON_OFF },
    "enforcement": {
        label: _("Users without a device"),
        values: [["optional", _("log in with the password alone")], ["mandatory", _("must set one up, or are refused")]],
    },
    "enroll_at_login": {
        label: _("Set-up at login"),
        help: _("After the right password, in the dialogue of the login."),
        values: [["off", _("not offered")], ["offer", _("offered")], ["require", _("required")]],
    },
    "window": {
        label: _("Window"),
        help: _("Codes before and after the current one that count, 0 to 10. 1 means three valid codes. More make guessing easier."),
        text: count => cockpit.format(cockpit.ngettext("$0 code before and after the current one", "$0 codes before and after the current one", count), count),
    },
    "new_devices.digits": {
        label: _("Digits of new devices"),
        help: _("Not each app can show 7 or 8."),
        values: [["6", "6"], ["7", "7"], ["8", "8"]],
    },
    "new_devices.interval": {
        label: _("Interval of new devices, in seconds"),
        help: _("5 to 3600. Google Authenticator needs 30."),
    },
};

// The label of a setting; its key where the page has no words for it.
export function labelOf(key) {
    return SETTINGS[key]?.label ?? key;
}

export function helpOf(key) {
    return SETTINGS[key]?.help ?? null;
}

// Values of a setting with their words, for a list to choose from.
export function choicesOf(key) {
    return SETTINGS[key].values;
}

// A value of a setting in words; as it stands in the policy where there are none. Null is a setting that is not in the file.
export function valueOf(key, value) {
    if (value === null || value === undefined)
        return "–";
    const { values = [], text = String } = SETTINGS[key] ?? {};
    return values.find(([one]) => one === String(value))?.[1] ?? text(value);
}
