// Calls of twofactord, over its socket, as the user that is logged in to Cockpit: varlink, JSON that a NUL byte ends.
// A user's own factor is changed here and nowhere else: the daemon wants a proof for it, of administrators as well.
const SOCKET = "/run/twofactor/socket";

// `kind` is the daemon's error without its interface, such as NotAllowed, or NoDaemon where it does not answer, or
// Ended where it has closed a connection on which it had answered.
export class DaemonError extends Error {
    constructor(kind) {
        super(kind);
        this.kind = kind;
    }
}

// A connection. A device that was begun lives in it alone: closing it, or losing it, leaves nothing.
export class DaemonConversation {
    constructor() {
        this.waiting = null;
        this.received = [];
        this.hasAnswered = false;
        this.channel = cockpit.channel({ payload: "stream", unix: SOCKET, binary: true });
        this.channel.addEventListener("message", (_event, data) => this.receive(new Uint8Array(data)));
        this.ended = new Promise(ended => this.channel.addEventListener("close", () => {
            this.channel = null;
            this.settle(null);
            ended();
        }));
    }

    // Puts a call, one at a time, and resolves with the parameters of the reply.
    call(method, parameters) {
        return new Promise((resolve, reject) => {
            if (this.channel === null || this.waiting !== null) {
                reject(new DaemonError(this.hasAnswered ? "Ended" : "NoDaemon"));
                return;
            }
            this.waiting = { resolve, reject };
            const text = JSON.stringify({ method: `io.twofactor.${method}`, parameters });
            this.channel.send(new TextEncoder().encode(`${text}\0`));
        });
    }

    close() {
        this.channel?.close();
    }

    receive(bytes) {
        for (const byte of bytes) {
            if (byte !== 0) {
                this.received.push(byte);
                continue;
            }
            const text = new TextDecoder().decode(new Uint8Array(this.received));
            this.received = [];
            this.hasAnswered = true;
            this.settle(text);
        }
    }

    settle(text) {
        const waiting = this.waiting;
        this.waiting = null;
        if (waiting === null)
            return;
        let reply = null;
        try {
            reply = JSON.parse(text);
        } catch {
            // Not the daemon.
        }
        if (reply?.error)
            waiting.reject(new DaemonError(reply.error.split(".").at(-1)));
        else if (reply?.parameters)
            waiting.resolve(reply.parameters);
        else
            waiting.reject(new DaemonError("NoDaemon"));
    }
}

// One call on a connection of its own.
export async function ask(method, parameters) {
    const conversation = new DaemonConversation();
    try {
        return await conversation.call(method, parameters);
    } finally {
        conversation.close();
    }
}
