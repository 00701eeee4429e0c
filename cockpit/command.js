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

// Accounts that can log in, from the name service.
export function accounts() {
    return new Promise((resolve, reject) => {
        cockpit.spawn(["getent", "passwd"], { err: "ignore" }).then(resolve, reject);
    });
}

// What a change would do, as the command announces it when it is not confirmed.
export function announced(args) {
    return new Promise((resolve, reject) => {
        cockpit.spawn([PROGRAM, "--json", ...args], { superuser: "require", err: "message" }).then(
            () => resolve({ isDone: true }),
            (exception, output) => {
                const error = parsed(output)?.error ?? null;
                if (error === null || exception.exit_status > 2) {
                    reject(failure(error, exception));
                    return;
                }
                const lines = (exception.message ?? "").split("\n");
                const end = lines.findIndex(line => line.startsWith("twofactor: "));
                const isRefused = error.exit_code === 1;
                resolve({
                    isDone: false,
                    effect: lines.slice(0, end).join("\n"),
                    refusal: isRefused ? error.message : null,
                    next: error.next,
                    mayProceed: !isRefused || error.next.includes("--force"),
                });
            });
    });
}
