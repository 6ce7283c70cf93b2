// A server in a process of its own, on a directory of the test's own.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.PARLOR_BIN ?? fileURLToPath(new URL("../../../../target/debug/parlor", import.meta.url));

/** What differs from the server's own settings: little memory, and no limits that tests would meet. */
const SETTINGS = {
  "server.workers": "2",
  "server.drain_notice_ms": "50",
  "store.cache_bytes": "16777216",
  "rates.enabled": "false",
  "limits.connections_per_address": "4000",
  "limits.sockets_per_address": "4000",
  "limits.before_hello_per_address": "4000",
  "log.filter": "warn",
};

/** A running server; it stops with the test that it was started for. */
export class Server {
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #child;
  #dir = "";
  /** @type {Record<string, string>} */
  #settings = {};
  /** Its address: `http://127.0.0.1:PORT`. */
  origin = "";

  /**
   * Starts one for this test, with further settings by `section.key`.
   * @param {import("node:test").TestContext} test
   * @param {Record<string, string>} [settings]
   */
  static async start(test, settings) {
    const server = new Server();
    server.#dir = await mkdtemp(join(tmpdir(), "parlor-js-"));
    server.#settings = { ...SETTINGS, "store.path": join(server.#dir, "data"), ...settings };
    test.after(async () => {
      await server.kill();
      await rm(server.#dir, { recursive: true, force: true });
    });
    await server.#run("127.0.0.1:0");
    return server;
  }

  /** Kills it, as a crash would. */
  kill() {
    return this.#end("SIGKILL");
  }

  /** Asks it to stop, and waits until it did. */
  stop() {
    return this.#end("SIGTERM");
  }

  /** Starts it again at the same address, on the same data. */
  restart() {
    return this.#run(new URL(this.origin).host);
  }

  /** @param {NodeJS.Signals} signal */
  async #end(signal) {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill(signal);
      await ended;
    }
  }

  /** Starts it, and waits until it says where it listens. @param {string} bind */
  async #run(bind) {
    const all = Object.entries({ ...this.#settings, "server.bind": bind });
    const named = all.map(([key, value]) => [`PARLOR__${key.replace(".", "__").toUpperCase()}`, value]);
    const env = Object.fromEntries(named);
    const child = spawn(BINARY, [], { cwd: this.#dir, env, stdio: ["ignore", "pipe", "ignore"] });
    this.#child = child;
    this.origin = await new Promise((done, fail) => {
      child.once("error", fail);
      child.once("exit", (code) => fail(new Error(`the server ended with ${code}`)));
      createInterface({ input: child.stdout }).on("line", (line) => {
        const found = /^listening on (http:\S+)/.exec(line);
        if (found) {
          done(found[1]);
        }
      });
    });
  }
}
