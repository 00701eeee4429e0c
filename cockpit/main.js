// The page: what is read, what is shown, and when it is read again.
import { button, element, message, paragraph, subtle } from "./dom.js";
import { run } from "./command.js";
import { configure, myFactor, onceOnly, ownStatus } from "./my_factor.js";
import { findings, hasNoPolicy, overview, storeError } from "./overview.js";
import { followStyle } from "./theme.js";
import { language, problem } from "./texts.js";
import { users } from "./users.js";

const _ = cockpit.gettext;
const page = document.getElementById("page");
const admin = cockpit.permission({ admin: true });
let me = null;
// The number of the last reading: an earlier one that ends later is not shown.
let reading = 0;

// A login in which the set-up was skipped: Cockpit empties this storage at the end of its session.
const skipKey = () => `twofactor:skipped:${me.name}`;
const isSkipped = () => sessionStorage.getItem(skipKey()) === "1";

async function read() {
    me ??= await cockpit.user();
    const failed = error => ({ error });
    const isAdmin = admin.allowed === true;
    // Before the page is looked at, only what the mark in the menu needs.
    const whole = isAdmin && !cockpit.hidden;
    // doctor takes longer than all the others; its card waits for it alone.
    const doctor = whole ? run(["doctor"]).catch(failed) : null;
    const [own, policy, status] = await Promise.all([
        ownStatus(me.name),
        run(["policy", "show"], { superuser: null }).catch(failed),
        whole ? run(["status", "--all"]).catch(failed) : null,
    ]);
    return { own, policy, status, doctor, isAdmin };
}

async function refresh() {
    const number = ++reading;
    page.setAttribute("aria-busy", "true");
    let parts;
    try {
        parts = shown(await read());
    } catch (error) {
        parts = [message("danger", problem(error))];
    }
    if (number !== reading)
        return;
    replace(parts.filter(Boolean));
    // Cockpit tells a moment later if there is administrative access; then all is read again.
    page.setAttribute("aria-busy", String(typeof admin.allowed !== "boolean"));
}

// Replaces the content and keeps the focus: in a field with its caret; of a button that is gone, in its row or at the top.
function replace(parts) {
    const focused = page.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.getAttribute("data-key");
    const name = focused?.closest("[data-user]")?.getAttribute("data-user");
    const caret = focused?.type === "search" ? [focused.selectionStart, focused.selectionEnd] : null;
    page.replaceChildren(title(), ...parts);
    if (!key)
        return;
    const found = page.querySelector(`[data-key="${CSS.escape(key)}"]`)
        ?? (name && page.querySelector(`[data-user="${CSS.escape(name)}"] button`))
        ?? page.querySelector("[data-key='refresh']");
    found.focus();
    if (caret !== null)
        found.setSelectionRange?.(...caret);
}

function title() {
    return element("div", { class: "head" },
        element("h1", {}, _("Two-factor login")),
        button(_("Refresh"), refresh, { kind: "link", key: "refresh" }));
}

function shown(data) {
    const { policy, isAdmin } = data;
    mark(data);
    if (policy.error?.kind === "not-found")
        return [message("danger", _("The command twofactor is not installed."),
            paragraph(_("Install the package libpam-twofactor or pam_twofactor.")))];
    return [
        banner(data),
        overview(data, refresh),
        myFactor(me.name, data, refresh),
        isAdmin ? users(data, me, refresh) : limited(data),
        data.doctor && findings(data.doctor),
    ];
}

function limited({ own, policy }) {
    const once = onceOnly(own, policy);
    return element("section", { class: "card", "aria-labelledby": "limited" },
        element("h2", { id: "limited" }, _("Limited access")),
        subtle(_("To change the settings and the factors of other users, turn on administrative access, at the top of the window.")),
        once && subtle(once));
}

const lacksFactor = ({ own, policy }) => policy.enabled === true && own.devices?.length === 0;

function banner(data) {
    if (!lacksFactor(data) || isSkipped())
        return null;
    const { may } = data.own;
    const isOffered = may.manage && may.first_device !== "off";
    return message("warning", _("Your account has no second factor."),
        paragraph(_("Two-factor login is on. Set up an authenticator app, so that your password alone opens nothing.")),
        element("div", { class: "buttons" },
            isOffered && button(_("Configure 2FA secret"), async () => { await configure(me.name, data.own); refresh(); }, { kind: "primary", key: "banner-configure" }),
            button(_("Skip setup"), skip, { kind: "link", key: "banner-skip" })));
}

function skip() {
    sessionStorage.setItem(skipKey(), "1");
    refresh();
}

// The mark beside the page's name in the menu of Cockpit.
function mark(data) {
    let status = null;
    if (hasNoPolicy(data.policy.error) || storeError(data) !== null)
        status = { type: "error", title: _("All users are refused") };
    else if (data.policy.error)
        status = { type: "error", title: _("The settings cannot be shown.") };
    else if (lacksFactor(data) && !isSkipped())
        status = { type: "warning", title: _("Your account has no second factor.") };
    cockpit.transport.control("notify", { page_status: status });
}

followStyle();
cockpit.transport.wait(() => {
    document.documentElement.lang = language();
    document.title = _("Two-factor login");
    admin.addEventListener("changed", refresh);
    cockpit.addEventListener("visibilitychange", () => {
        if (!cockpit.hidden)
            refresh();
    });
    refresh();
});
