// What a client was told, and waiting for it.

/** Waits until something holds: it is looked at after each event of these clients. */
export async function until(
  /** @type {import("../../src/index.js").Client[]} */ clients,
  /** @type {() => boolean} */ holds,
) {
  const types = [
    "state",
    "message",
    "outbox",
    "joined",
    "hole",
    "presence",
    "closed",
    "reset",
    "member",
    "typing",
    "read",
  ];
  await new Promise((done) => {
    const offs = clients.flatMap((client) => types.map((type) => client.on(type, () => look())));
    const look = () => {
      if (holds()) {
        offs.forEach((off) => off());
        done(undefined);
      }
    };
    look();
  });
}

/** Writes down the messages of a client, by channel. */
export function ledger(/** @type {import("../../src/index.js").Client} */ client) {
  /** @type {Record<string, any[]>} */
  const all = {};
  client.on("message", (message) => (all[message.channel] ??= []).push(message));
  return all;
}
