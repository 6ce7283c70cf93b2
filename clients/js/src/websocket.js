// A connection by WebSocket.

/**
 * Opens one.
 * @param {any} WebSocket the constructor
 * @param {URL} base the server's address
 * @param {import("./types.js").Ear} ear
 * @returns {import("./types.js").Wire}
 */
export function webSocket(WebSocket, base, ear) {
  const url = new URL("v1/ws", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url.href, "parlor.v1");
  let over = false;
  /** @param {import("./types.js").Down} down */
  const end = (down) => {
    if (!over) {
      over = true;
      ear.down(down);
    }
  };
  socket.onopen = () => over || ear.opened();
  socket.onmessage = (/** @type {{ data: unknown }} */ { data }) => {
    const frame = over ? null : parsed(data);
    if (frame) {
      ear.frame(frame);
    }
  };
  socket.onerror = () => {};
  socket.onclose = (/** @type {{ code: number, reason: string }} */ { code, reason }) => {
    // 1005 and 1006 are the browser's own words for none.
    end({ code: code === 1005 || code === 1006 ? undefined : code, why: reason || "the connection broke" });
  };
  return {
    say: (frame) => socket.readyState === 1 && socket.send(JSON.stringify(frame)),
    hang(goodbye) {
      over = true;
      goodbye || !socket.terminate ? socket.close(...(socket.readyState === 1 ? [1000] : [])) : socket.terminate();
    },
  };
}

/** The frame in a text, if it is one. @param {unknown} text */
function parsed(text) {
  try {
    const frame = JSON.parse(String(text));
    return typeof frame?.type === "string" ? frame : null;
  } catch {
    return null;
  }
}
