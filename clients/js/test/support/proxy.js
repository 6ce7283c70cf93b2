// A proxy between clients and a server that cuts, delays and stalls, and blocks WebSocket.

import { createServer, connect } from "node:net";

/** Bytes through it, with whatever trouble is wished. */
export class Proxy {
  #server = createServer((socket) => this.#carry(socket));
  /** @type {Set<import("node:net").Socket>} */
  #sockets = new Set();
  #target;
  /** Delays each piece by up to so many milliseconds. */
  delay = 0;
  /** What becomes of WebSocket: it goes through, is refused, or opens and then says nothing. */
  upgrades = /** @type {"pass" | "refuse" | "stall"} */ ("pass");
  /** Nothing is let through before this. */
  stall = Promise.resolve();
  /** A path that is taken off requests. */
  prefix = "";
  origin = "";

  /**
   * One that ends with the test.
   * @param {import("node:test").TestContext} test
   * @param {string} target
   * @param {() => number} [random]
   */
  static async start(test, target, random = Math.random) {
    const proxy = new Proxy(target, random);
    test.after(() => proxy.#end());
    await new Promise((done) => proxy.#server.listen(0, "127.0.0.1", () => done(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (proxy.#server.address());
    proxy.origin = `http://127.0.0.1:${port}`;
    return proxy;
  }

  /** @param {string} target @param {() => number} random */
  constructor(target, random) {
    this.#target = new URL(target);
    this.random = random;
  }

  /** Cuts this part of all connections. @param {number} [share] */
  cut(share = 1) {
    for (const socket of this.#sockets) {
      if (this.random() < share) {
        this.random() < 0.5 ? socket.resetAndDestroy() : socket.destroy();
      }
    }
  }

  /** @param {import("node:net").Socket} near */
  #carry(near) {
    const far = connect(Number(this.#target.port), this.#target.hostname);
    let silent = false;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      let last = Promise.resolve();
      from.on("data", (bytes) => {
        let piece = bytes;
        if (from === near) {
          const head = bytes.toString("latin1");
          if (this.upgrades !== "pass" && /^GET \S*\/v1\/ws[ ?]/.test(head)) {
            if (this.upgrades === "refuse") {
              near.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
              return;
            }
            silent = true;
          }
          piece = this.prefix ? Buffer.from(head.replace(` ${this.prefix}/`, " /"), "latin1") : bytes;
        }
        // The answer to an upgrade goes through, and then nothing does.
        const lost = silent && from === far && !/^HTTP/.test(bytes.toString("latin1"));
        if (!lost) {
          const wait = this.random() * this.delay;
          const delay = () => (wait >= 1 ? new Promise((done) => setTimeout(done, wait)) : undefined);
          const write = () => void (to.writable && to.write(piece));
          last = last
            .then(() => this.stall)
            .then(delay)
            .then(write);
        }
      });
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }

  async #end() {
    this.cut();
    await new Promise((done) => this.#server.close(done));
  }
}
