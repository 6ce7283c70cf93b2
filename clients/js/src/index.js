// A client of the Parlor chat server that keeps the protocol's promises by itself.

export { Accounts } from "./accounts.js";
export { Client } from "./client.js";
export {
  BadFrame,
  Conflict,
  Disconnected,
  Forbidden,
  Full,
  Internal,
  NotFound,
  NotJoined,
  Overloaded,
  ParlorError,
  RateLimited,
  Refused,
  TimedOut,
  TooLarge,
  Unauthenticated,
  Unavailable,
  UnknownType,
  VersionUnsupported,
} from "./errors.js";
/**
 * @typedef {import("./types.js").Cursor} Cursor
 * @typedef {import("./types.js").Frame} Frame
 * @typedef {import("./types.js").Keep} Keep
 * @typedef {import("./types.js").Limits} Limits
 * @typedef {import("./types.js").Options} Options
 * @typedef {import("./types.js").Receipt} Receipt
 * @typedef {import("./types.js").State} State
 * @typedef {import("./types.js").Token} Token
 * @typedef {import("./types.js").Transport} Transport
 * @typedef {import("./types.js").Waiting} Waiting
 */
