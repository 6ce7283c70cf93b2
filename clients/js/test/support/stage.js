// What most tests need: a server, a proxy before it, and clients that end with the test.

import WebSocket from "ws";
import { Accounts, Client } from "../../src/index.js";
import { Proxy } from "./proxy.js";
import { Server } from "./server.js";

/** @typedef {import("../../src/index.js").Options} Options */

/** @param {import("node:test").TestContext} t @param {Record<string, string>} [settings] of the server */
export async function stage(t, settings = {}) {
  const server = await Server.start(t, settings);
  const proxy = await Proxy.start(t, server.origin);
  const accounts = new Accounts({ url: server.origin });
  const client = (/** @type {Options} */ options = {}) => {
    const backoff = { min: 10, max: 100 };
    const one = new Client({ url: proxy.origin, guest: "ann", WebSocket, backoff, ...options });
    t.after(() => one.close());
    return one;
  };
  return {
    server,
    proxy,
    accounts,
    client,
    /** One that is online. @param {Options} [options] */
    online: async (options) => {
      const one = client(options);
      await one.connect();
      return one;
    },
    /** An account's token. @param {string} user */
    token: async (user) => {
      await accounts.signUp({ user, password: "correct horse" });
      return (await accounts.login({ user, password: "correct horse" })).token;
    },
  };
}

/** Each transport alone. @type {import("../../src/index.js").Transport[][]} */
export const EACH = [["websocket"], ["longpoll"]];
