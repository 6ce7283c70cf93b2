// What the client hears, put where it belongs.

/** Takes the events of a desk's client. */
export class Hearing {
  #desk;

  constructor(desk) {
    this.#desk = desk;
    const { client } = desk;
    const heard = {
      state: () => this.#state(),
      message: (frame) => this.#message(frame),
      joined: (frame) => this.#joined(frame),
      hole: ({ channel }) => this.#hole(this.#known(channel)),
      reset: (frame) => this.#reset(frame),
      outbox: (told) => this.#outbox(told),
      activity: (frame) => this.#activity(frame),
      closed: (frame) => this.#closed(frame),
      member: (frame) => this.#member(frame),
      presence: (frame) => this.#presence(frame),
      typing: ({ channel, user }) => user !== desk.me && this.#known(channel)?.types(user),
      read: ({ channel, user, seq }) => this.#read(channel, user, seq),
      pulse: (frame) => this.#pulse(frame),
      notice: () => desk.tell("line"),
    };
    for (const [type, listener] of Object.entries(heard)) {
      client.on(type, listener);
    }
    for (const entry of client.outbox) {
      desk.at(entry.channel).wait(entry);
    }
  }

  #known(channel) {
    return this.#desk.rooms.get(channel);
  }

  #state() {
    const { client } = this.#desk;
    this.#desk.tell("line");
    if (client.state === "online") {
      this.#desk.refresh().catch((error) => this.#desk.tell("fault", error));
    }
  }

  #message(frame) {
    const desk = this.#desk;
    const room = desk.at(frame.channel);
    const isMine = frame.from === desk.me;
    if (isMine && frame.key !== undefined) {
      room.arrived(frame.key);
    }
    const isSeen = isMine || desk.isAttended(room);
    if (!isSeen && frame.kind === undefined && room.unread === 0 && room === desk.room) {
      room.markAfter = Math.max(room.read, frame.seq - 1);
    }
    if (!room.add(frame)) {
      return;
    }
    // Whoever saw it come has read it by now.
    if (!isMine && frame.seq > room.read) {
      room.unread += 1;
      room.isCalled ||= calls(frame, desk.me);
    }
    if (isSeen) {
      desk.attend(room);
    }
    desk.tell("message", room, frame);
    desk.tell("places");
  }

  #joined({ channel, epoch, head }) {
    const room = this.#known(channel);
    if (room !== undefined) {
      room.epoch = epoch;
      room.head = Math.max(room.head, head);
      room.isHeard = true;
      this.#desk.count(room);
    }
  }

  /** Something is missing behind what is loaded: what is read again is without a gap. */
  #hole(room) {
    room?.forget();
    if (room !== undefined && room === this.#desk.room) {
      this.#desk.look(room);
    }
  }

  #reset({ channel, epoch }) {
    const room = this.#known(channel);
    if (room !== undefined) {
      Object.assign(room, { epoch, head: 0, read: 0, unread: 0 });
      this.#hole(room);
    }
  }

  #outbox({ entry, state, receipt }) {
    const room = this.#desk.at(entry.channel);
    const isThere = state === "stored" && (!room.isHeard || (room.last?.seq ?? 0) >= receipt.seq);
    if (state === "cancelled" || isThere) {
      room.arrived(entry.key);
    } else if (state !== "stored") {
      room.wait(entry);
    }
    this.#desk.tell("line");
  }

  #activity({ channel, head, unread, change }) {
    const desk = this.#desk;
    const room = desk.at(channel);
    if (change === "removed") {
      desk.drop(room);
      return;
    }
    room.isInvited = change === "invited" && !room.isMember;
    room.isMember ||= change !== "invited";
    room.head = Math.max(room.head, head);
    if (!room.isHeard) {
      room.unread = unread;
    }
    if (room.isDirect && !room.isHeard) {
      this.#follow(room);
    }
    desk.tell(room.isInvited ? "invited" : "places", room);
    desk.tell("places");
  }

  /** Hears a direct channel that began elsewhere, and what was said in it. */
  async #follow(room) {
    try {
      await this.#desk.hear(room);
      await this.#desk.older(room);
      await this.#desk.company.watch();
      const { last } = room;
      if (last !== undefined && last.from !== this.#desk.me && last.seq > room.read) {
        this.#desk.tell("message", room, last);
      }
    } catch {
      // It is heard the next time that something is said there.
    }
  }

  #closed({ channel, reason }) {
    const room = this.#known(channel);
    if (room === undefined) {
      return;
    }
    room.isHeard = false;
    if (reason === "reset") {
      room.forget();
      this.#desk.hear(room).catch(() => {});
      return;
    }
    room.fault = { code: "closed", message: CLOSED[reason] ?? "This channel was closed." };
    this.#desk.drop(room);
  }

  #member(frame) {
    const room = this.#known(frame.channel);
    if (room !== undefined) {
      if (frame.user === this.#desk.me && frame.role !== undefined) {
        room.role = frame.role;
      }
      room.tell("member", frame);
      room.tell("changed");
      this.#desk.count(room);
    }
  }

  #presence(frame) {
    this.#desk.company.take([frame]);
  }

  #read(channel, user, seq) {
    this.#known(channel)?.readBy(user, seq);
    if (user === this.#desk.me) {
      this.#desk.tell("places");
    }
  }

  #pulse({ online = {} }) {
    for (const [channel, count] of Object.entries(online)) {
      const room = this.#known(channel);
      if (room !== undefined && room.online !== count) {
        room.online = count;
        room.tell("changed");
      }
    }
  }
}

const CLOSED = {
  left: "You left this channel.",
  kicked: "You were removed from this channel.",
  banned: "You are banned from this channel.",
  deleted: "This channel was deleted.",
};

/** Whether a message names this user. */
export function calls({ body }, user) {
  const text = typeof body?.text === "string" ? body.text : "";
  const at = text.indexOf(`@${user}`);
  return at !== -1 && !/^[a-z0-9_-]/.test(text.slice(at + user.length + 1));
}
