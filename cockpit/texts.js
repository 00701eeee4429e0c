// Texts that more than one part of the page needs.
import { DaemonError } from "./daemon.js";

const _ = cockpit.gettext;

// A point in time, from seconds since 1970 or RFC 3339, in the user's language.
export function moment(time) {
    if (time === null || time === undefined)
        return _("never");
    const date = typeof time === "number" ? new Date(time * 1000) : new Date(time);
    return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" }).format(date);
}

export function language() {
    return (cockpit.language || "en").replace("_", "-");
}

export function seconds(count) {
    return cockpit.format(cockpit.ngettext("$0 second", "$0 seconds", count), count);
}

// The settings of a device: "6 digits, every 30 s".
export function codes(device) {
    if (device.kind === "hotp")
        return cockpit.format(_("$0 digits, by a button (HOTP)"), device.digits);
    const text = cockpit.format(_("$0 digits, a new code every $1 s"), device.digits, device.interval);
    return device.algorithm === "SHA1" ? text : `${text}, ${device.algorithm}`;
}

// What is wrong with a lock-out.
export function lockedFor(count) {
    if (count === null || count === undefined)
        return _("Too many wrong codes. An administrator must unlock your account.");
    return cockpit.format(_("Too many wrong codes. Wait for $0."), seconds(count));
}

// Over a preview that is shown again.
export function changedMeanwhile() {
    return _("The settings or devices were changed meanwhile. Look again at what this will do.");
}

// What a change came to that was not made.
export function refused(change) {
    switch (change.result) {
    case "wrong":
        if (change.tries_left === undefined || change.tries_left === null)
            return _("Wrong code.");
        return cockpit.format(cockpit.ngettext("Wrong code. $0 more try.", "Wrong code. $0 more tries.", change.tries_left), change.tries_left);
    case "repeated":
        return _("This code was refused before. Wait for the next one.");
    case "used":
        return _("This code was used before. Wait for the next one.");
    case "clock":
        return _("This code is of another time. Set the clock of the phone, or of this machine, right.");
    case "spent":
        return _("This recovery code was used before.");
    case "expired":
        return _("This code has expired.");
    case "locked":
        return lockedFor(change.seconds);
    case "code_required":
        return _("A code is needed.");
    case "login_required":
        return _("This takes a login that is at most 10 minutes old. Log out, log in again, and come back here at once. If that does not help, turn on administrative access with your password.");
    case "invitation_required":
        return _("An enrollment code from your administrator is needed.");
    case "unenrolled":
        return _("You have no device.");
    case "name_taken":
        return _("There is a device of that name.");
    case "too_many_devices":
        return _("There are as many devices as there may be.");
    case "no_such_device":
        return _("There is no such device.");
    case "last_device":
        return _("This is the last device. To remove it, unset the 2FA secret.");
    case "changed":
        return _("Your devices or the settings were changed meanwhile. Begin again.");
    case "nothing_pending":
        return _("Too many wrong codes, or more than 10 minutes. Begin again.");
    case "outage":
        return _("The store of the fleet cannot be reached, so nothing was changed. Try again later.");
    default:
        return cockpit.format(_("The server refuses: $0"), change.result);
    }
}

// What an exception of a call says to people.
export function problem(error) {
    if (!(error instanceof DaemonError))
        return error.message || String(error);
    switch (error.kind) {
    case "NotAllowed":
        return _("The settings leave this to your administrator.");
    case "Busy":
        return _("The server is busy. Try again.");
    case "Unavailable":
        return _("A file or the clock of the server cannot be used. The log of twofactord says which.");
    case "NotYours":
        return _("The server does not know your account.");
    case "NoDaemon":
        return _("twofactord does not answer. Its socket may not be enabled: systemctl enable --now twofactord.socket");
    case "Ended":
        return _("The 10 minutes are over, or twofactord was restarted. The new key is gone. Begin again.");
    default:
        return cockpit.format(_("The server refuses: $0"), error.kind);
    }
}
