// The shapes that go through the client. Types alone: nothing of this is there at run time.

/**
 * A frame of the protocol.
 * @typedef {Record<string, any>} Frame
 */
/** @typedef {"websocket" | "longpoll"} Transport */
/** @typedef {"disconnected" | "connecting" | "online" | "recovering" | "draining" | "refused"} State */
/**
 * "I have everything up to `seq`", in the life of the log that `epoch` names.
 * @typedef {{ epoch: string, seq: number }} Cursor
 */
/**
 * Somewhere to keep things over a reload, such as `localStorage`.
 * @typedef {{ getItem(key: string): string | null, setItem(key: string, value: string): void,
 *   removeItem(key: string): void }} Keep
 */
/**
 * What the server allows.
 * @typedef {{ frame_bytes: number, body_bytes: number, page_max: number, replay_max: number, outstanding: number,
 *   channels: number }} Limits
 */
/** @typedef {string | null | undefined} Token */
/**
 * @typedef {object} Options
 * @property {string | URL} [url] the server's address, with its path prefix if it has one; in a browser the folder of
 *   the page if it is not said
 * @property {string | (() => Token | Promise<Token>)} [token] who one is, or a function that says so: it is asked
 *   again when the server says that the token is not good or about to expire
 * @property {string} [guest] the name wished as a guest, where there is no token
 * @property {string} [client] what the program calls itself, for operators
 * @property {Transport[]} [transports] in order of preference; `["websocket", "longpoll"]` if it is not said
 * @property {Keep} [storage] where cursors, the outbox and a guest's token survive a reload; nowhere if it is not said
 * @property {string} [storageKey] what its keys begin with; `"parlor"` if it is not said
 * @property {number} [refill] at most so many messages of a hole are fetched and handed over; 500 if it is not said
 * @property {number} [outbox] how many publishes may wait; 1000 if it is not said
 * @property {{ min: number, max: number }} [backoff] between which waits, in milliseconds, a lost connection is tried
 *   again; 250 and 30000 if it is not said
 * @property {{ min: number, max: number }} [probe] between which waits, in milliseconds, the preferred transport is
 *   tried again while another is in use; 30000 and 600000 if it is not said
 * @property {number} [openWithin] how many milliseconds a connection may take to open, and the welcome to come; 8000
 *   if it is not said
 * @property {any} [WebSocket] another constructor than the global one
 * @property {typeof fetch} [fetch] another function than the global one
 */
/**
 * The numbers that the pure parts go by, in milliseconds where they are times.
 * @typedef {{ backoff: { min: number, max: number }, refill: number, outbox: number, greeting: number, answer: number,
 *   patience: number, probe: { min: number, max: number }, random: () => number }} Rules
 */
/** @typedef {{ resolve: (value: any) => void, reject: (error: Error) => void }} Waiter */
/**
 * A publish that waits, is under way, or failed.
 * @typedef {{ channel: string, key: string, body: object, kind?: string, ref?: number, at: number,
 *   state: "queued" | "sent" | "failed", error?: import("./errors.js").ParlorError }} Waiting
 */
/**
 * A message that is stored.
 * @typedef {{ channel: string, epoch: string, seq: number, at: string, duplicate: boolean, key: string }} Receipt
 */
/**
 * How a connection went.
 * @typedef {{ code?: number, why: string, retryAfterMs?: number, spoke?: boolean }} Down
 */
/**
 * What a wire says of itself.
 * @typedef {{ opened(): void, alive(): void, frame(frame: Frame): void, down(down: Down): void }} Ear
 */
/**
 * One connection.
 * @typedef {{ say(frame: Frame): void, hang(goodbye: boolean): void }} Wire
 */
/**
 * What the machine wants done.
 * @typedef {{ do: "open", conn: number, over: Transport } | { do: "say", conn: number, frame: Frame }
 *   | { do: "hang", conn: number, goodbye: boolean } | { do: "tell", type: string, event: Frame }
 *   | { do: "token" }} Effect
 */

export {};
