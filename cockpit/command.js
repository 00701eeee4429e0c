// Calls of the command `twofactor`. Names are arguments; codes and keys never are. Each call says what becomes of
// standard error: Cockpit would send it to the journal.
const PROGRAM = "twofactor";

// `kind` is that of the command's error object, or the problem that Cockpit had, such as not-found.
export class CommandError extends Error {
    constructor(text, { kind = null, next = null } = {}) {
        super(text);
        this.kind = kind;
        this.next = next;
    }
}

// The report of a call. doctor ends with 1 where it found a problem, and has a report all the same.
export function run(args, { superuser = "require" } = {}) {
    return new Promise((resolve, reject) => {
        cockpit.spawn([PROGRAM, "--json", ...args], { superuser, err: "ignore" }).then(
            output => resolve(JSON.parse(output)),
            (exception, output) => {
                const report = parsed(output);
                if (report !== null && !report.error)
                    resolve(report);
                else
                    reject(failure(report?.error ?? null, exception));
            });
    });
}

// Options by which a change is made of the policy of its preview alone. Where the file is not safe to read it has no hash.
function ifPolicy({ policy_hash: hash }) {
    return hash === null || hash === undefined ? [] : ["--if-policy", hash];
}

// The same about the devices of a user.
function ifDevices({ devices_hash: hash }) {
    return hash === null || hash === undefined ? [] : ["--if-devices", hash];
}

// Makes a change that was shown by a preview, whose report this is; `rest` ends the call. A call with --force accepts what it finds
// itself, so what it would find is looked at right before it: a danger that was not shown is an error of the kind new-danger.
export async function makeShown(args, report, rest = []) {
    const conditions = [...ifPolicy(report), ...ifDevices(report)];
    const force = report.dangers.length > 0 ? ["--force"] : [];
    if (force.length > 0) {
        const now = await run([...args, ...conditions, "--dry-run", ...rest]);
        if (now.dangers.some(danger => !report.dangers.includes(danger)))
            throw new CommandError("", { kind: "new-danger" });
    }
    return await run([...args, ...conditions, "--yes", ...force, ...rest]);
}

// A call as a shell reads it.
export function commandLine(args) {
    const quoted = word => /^[\w.,:=@%+/-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
    return [PROGRAM, ...args].map(quoted).join(" ");
}

export function parsed(text) {
    try {
        return JSON.parse(text);
    } catch {
        return null;
    }
}

export function failure(error, exception) {
    if (error !== null)
        return new CommandError(error.message, { kind: error.kind, next: error.next });
    return new CommandError(exception?.message || exception?.problem || "", { kind: exception?.problem ?? "failed" });
}

// A new device of another user, in the dialogue of `enroll`: one object a line in both directions. The key lives in that
// process; closing its pipes, or losing them, leaves nothing. See set_up.js for what a source is.
export class OtherDevice {
    constructor(user, device) {
        this.events = [];
        this.waiting = null;
        this.text = "";
        this.process = cockpit.spawn([PROGRAM, "enroll", "--dialogue", "json", "--device", device, "--", user], { superuser: "require", err: "ignore" });
        this.process.stream(text => this.hear(text));
        this.process.then(() => this.end(null), exception => this.end(exception));
    }

    async begin() {
        const event = await this.next();
        return { ...event, result: event.event === "key" ? "pending" : event.event };
    }

    async confirm(code) {
        this.process.input(`${JSON.stringify({ code })}\n`, true);
        const event = await this.next();
        return { ...event, result: event.event === "wrong" ? event.reason : event.event };
    }

    close() {
        this.process.close("cancelled");
    }

    hear(text) {
        const lines = (this.text + text).split("\n");
        this.text = lines.pop();
        for (const line of lines)
            this.settle(parsed(line) ?? { event: "failed", message: "" });
    }

    end(exception) {
        this.settle({ event: "failed", kind: exception?.problem ?? "failed", message: exception?.message ?? "" });
    }

    settle(event) {
        if (this.waiting === null) {
            this.events.push(event);
            return;
        }
        const waiting = this.waiting;
        this.waiting = null;
        waiting(event);
    }

    // The next event; a failure is an exception.
    async next() {
        const event = this.events.shift() ?? await new Promise(resolve => { this.waiting = resolve; });
        if (event.event === "failed")
            throw failure(event, null);
        return event;
    }
}
