// The people whom one wants to hear of: the contacts, and those with whom one talks; and how they are.

export class Company {
  /** Presence by user, as the server says it. */
  people = new Map();
  contacts = new Set();
  #desk;
  #watched = new Set();

  constructor(desk) {
    this.#desk = desk;
  }

  /** Asks for all of it anew. Guests have no contacts and talk with nobody alone. */
  async refresh() {
    if (!this.#desk.guest) {
      await this.befriend({});
      await this.watch();
    }
  }

  /** Adds to the contacts, or takes away. */
  async befriend(change) {
    const { users } = await this.#desk.client.contacts(change);
    this.contacts = new Set(users.map(({ user }) => user));
    this.take(users);
    this.#desk.tell("places");
  }

  /** Watches those with whom one talks and who are no contacts. */
  async watch() {
    const peers = [...this.#desk.rooms.values()].filter(({ isDirect }) => isDirect).map(({ peer }) => peer);
    const fresh = peers.filter((user) => !this.#watched.has(user) && !this.contacts.has(user)).slice(0, 500);
    if (fresh.length > 0) {
      fresh.forEach((user) => this.#watched.add(user));
      const { users } = await this.#desk.client.watch({ users: fresh });
      this.take(users);
    }
  }

  /** Takes rows of presence. */
  take(rows) {
    for (const row of rows) {
      this.people.set(row.user, row);
    }
    this.#desk.tell("people");
  }
}
