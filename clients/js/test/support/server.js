// A server in a process of its own, on a directory of the test's own.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BINARY = process.env.PARLOR_BIN ?? fileURLToPath(new URL("../../../../target/debug/parlor", import.meta.url));

/** A running server; it stops with the test that it was started for. */
export class Server {
  #child;
  #dir;
  /** Its address, as a page has it: `http://127.0.0.1:PORT`. */
  origin;
  /** The first operator's token. */
  token;

  /** Starts one for this test, with further settings by `section.key`. */
  static async start(test, settings = {}) {
    const server = new Server();
    server.#dir = await mkdtemp(join(tmpdir(), "parlor-js-"));
    test.after(() => server.#end());
    await server.#run(settings, "127.0.0.1:0");
    server.token = (await readFile(join(server.#dir, "data/operator.token"), "utf8")).trim();
    return server;
  }

  /** Kills it, as a crash would. */
  async kill() {
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.kill("SIGKILL");
    await ended;
  }

  /** Asks it to stop, and waits until it did. */
  async stop() {
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.kill("SIGTERM");
    await ended;
  }

  /** Starts it again at the same address, on the same data. */
  async restart(settings = {}) {
    await this.#run(settings, new URL(this.origin).host);
  }

  async #run(settings, bind) {
    const all = {
      "server.bind": bind,
      "server.workers": "2",
      "server.drain_notice_ms": "50",
      "store.path": join(this.#dir, "data"),
      "store.cache_bytes": "16777216",
      "rates.enabled": "false",
      "limits.connections_per_address": "4000",
      "limits.sockets_per_address": "4000",
      "limits.before_hello_per_address": "4000",
      "log.filter": "warn",
      ...settings,
    };
    const named = Object.entries(all).map(([key, value]) => [`PARLOR__${key.replace(".", "__").toUpperCase()}`, value]);
    const stdio = ["ignore", "pipe", "inherit"];
    this.#child = spawn(BINARY, [], { cwd: this.#dir, env: Object.fromEntries(named), stdio });
    this.origin = await this.#listening();
  }

  /** Waits until it says where it listens. */
  async #listening() {
    const broken = new Promise((_, fail) => {
      this.#child.once("error", fail);
      this.#child.once("exit", (code) => fail(new Error(`the server ended with ${code}`)));
    });
    broken.catch(() => {});
    const said = (async () => {
      for await (const line of createInterface({ input: this.#child.stdout })) {
        const found = /^listening on (http:\S+)/.exec(line);
        if (found !== null) {
          return found[1];
        }
      }
      throw new Error("the server did not say where it listens");
    })();
    return Promise.race([said, broken]);
  }

  async #end() {
    if (this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      await this.kill();
    }
    await rm(this.#dir, { recursive: true, force: true });
  }
}
