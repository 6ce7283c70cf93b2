// What the server can be asked, each by its own command; the client's own doings are in `client.js`.

import { Events } from "./events.js";

/** @typedef {import("./types.js").Frame} Frame */

/**
 * Nobody has to wait for it: how it ends is told by events, or does not matter.
 * @template T
 * @param {Promise<T>} done
 */
export function quiet(done) {
  done.catch(() => {});
  return done;
}

/** The commands that are sent as they are, and answered by the server's reply. */
export class Commands extends Events {
  /**
   * Hears a channel no more, and ends the membership, unless `only` is `"session"`.
   * @param {string} channel
   * @param {{ only?: "session" }} [how]
   */
  leave(channel, { only } = {}) {
    return this.ask({ type: "leave", channel, only });
  }

  /**
   * A page of a channel's log.
   * @param {string} channel
   * @param {{ before?: number, after?: number, hour?: string, limit?: number }} [range]
   */
  history(channel, { before, after, hour, limit } = {}) {
    return this.ask({ type: "history", channel, before, after, hour, limit });
  }

  /** How users are. @param {string[]} users */
  presence(users) {
    return this.ask({ type: "presence", users });
  }

  /** Who hears a channel. @param {string} channel @param {{ after?: string, limit?: number }} [page] */
  who(channel, { after, limit } = {}) {
    return this.ask({ type: "who", channel, after, limit });
  }

  /** Hears how these are from now on, over every reconnect. @param {{ users?: string[], channel?: string }} whom */
  watch({ users, channel }) {
    return this.ask({ type: "watch", users, channel });
  }

  /** Does not hear it any more. @param {{ users?: string[], channel?: string }} whom */
  unwatch({ users, channel }) {
    return this.ask({ type: "unwatch", users, channel });
  }

  /** Who belongs to a channel. @param {string} channel @param {{ after?: string, limit?: number }} [page] */
  members(channel, { after, limit } = {}) {
    return this.ask({ type: "members", channel, after, limit });
  }

  /** The channels that one is a member of. @param {{ after?: string, limit?: number }} [page] */
  channels({ after, limit } = {}) {
    return this.ask({ type: "channels", after, limit });
  }

  /** Changes one's contacts, and gives them all. @param {{ add?: string[], remove?: string[] }} [change] */
  contacts({ add, remove } = {}) {
    return this.ask({ type: "contacts", add, remove });
  }

  /** Says that one is typing. @param {string} channel */
  typing(channel) {
    return quiet(this.ask({ type: "typing", channel }));
  }

  /** Has read up to here. @param {string} channel @param {number} seq */
  read(channel, seq) {
    return quiet(this.ask({ type: "read", channel, seq }));
  }

  /** Makes a channel. @param {string} channel @param {{ private?: boolean, title?: string }} [how] */
  create(channel, how = {}) {
    return this.ask({ type: "create", channel, private: how.private, title: how.title });
  }

  /** Invites a user. @param {string} channel @param {string} user */
  invite(channel, user) {
    return this.ask({ type: "invite", channel, user });
  }

  /** Makes a user leave. @param {string} channel @param {string} user @param {{ reason?: string }} [more] */
  kick(channel, user, { reason } = {}) {
    return this.ask({ type: "kick", channel, user, reason });
  }

  /** Shuts a user out. @param {string} channel @param {string} user @param {{ reason?: string }} [more] */
  ban(channel, user, { reason } = {}) {
    return this.ask({ type: "ban", channel, user, reason });
  }

  /** Lets a user in again. @param {string} channel @param {string} user @param {{ reason?: string }} [more] */
  unban(channel, user, { reason } = {}) {
    return this.ask({ type: "unban", channel, user, reason });
  }

  /** Gives a user a role. @param {string} channel @param {string} user @param {string} role */
  role(channel, user, role) {
    return this.ask({ type: "role", channel, user, role });
  }

  /** Deletes a channel, with its log. @param {string} channel */
  delete(channel) {
    return this.ask({ type: "delete", channel });
  }

  /** Whether others see one's presence. @param {boolean} on */
  visible(on) {
    return quiet(this.ask({ type: "visible", on }));
  }

  /** Asks whether the server is there. */
  ping() {
    return this.ask({ type: "ping" });
  }

  /** @internal @param {Frame} _command @returns {Promise<Frame>} */
  ask(_command) {
    throw new TypeError("this client has no connection");
  }
}
