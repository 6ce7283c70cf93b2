// What survives a reload: cursors, the outbox, a guest's token.

/** Keeps it. */
export class Vault {
  /** @param {string} _name @returns {string | null} */
  token(_name) {
    return null;
  }
  /** @param {string} _user @returns {Map<string, import("./types.js").Cursor>} */
  cursors(_user) {
    return new Map();
  }
  /** @param {import("./machine.js").Machine} _machine */
  changed(_machine) {}
}
