// Clients of a server, over WebSocket.

import WebSocket from "ws";

/** A session. */
export class Client {
  #socket;
  #waiting = new Map();
  #number = 0;
  /** What the server said first. */
  welcome;
  /** Settles with the code with which the session ends. */
  closed;

  /** Comes as this guest, with this in its hello besides. */
  static async open(origin, guest, more = {}) {
    const client = new Client();
    const socket = new WebSocket(`${origin.replace("http", "ws")}/v1/ws`, { perMessageDeflate: false });
    client.#socket = socket;
    client.closed = new Promise((done) => socket.once("close", done));
    await new Promise((done, fail) => socket.once("open", done).once("error", fail));
    socket.on("message", (data) => {
      const frame = JSON.parse(data);
      client.#waiting.get(frame.id)?.(frame);
    });
    client.welcome = await client.ask({ type: "hello", version: 1, guest, ...more });
    return client;
  }

  /** Sends a command, and waits for its reply. */
  async ask(command) {
    this.#number += 1;
    const id = String(this.#number);
    const reply = new Promise((done) => this.#waiting.set(id, done));
    this.#socket.send(JSON.stringify({ ...command, id }));
    const said = await reply;
    this.#waiting.delete(id);
    if (said.type === "error") {
      throw new Error(said.message);
    }
    return said;
  }

  join(channel) {
    return this.ask({ type: "join", channel });
  }

  publish(channel, text) {
    return this.ask({ type: "publish", channel, body: { text } });
  }

  close() {
    this.#socket.terminate();
  }
}

/** So many sessions at once, some dozens of them on their way at any time. */
export async function crowd(origin, size) {
  const clients = [];
  let next = 0;
  const lane = async () => {
    while (next < size) {
      next += 1;
      clients.push(await Client.open(origin, `guest${next}`));
    }
  };
  await Promise.all(Array.from({ length: 32 }, lane));
  return clients;
}
