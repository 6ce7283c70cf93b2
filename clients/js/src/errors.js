// What can go wrong, as classes: one for each code of the server, and those of the client itself.

/** What the server, or the client itself, says is wrong. */
export class ParlorError extends Error {
  /** @param {string} message for people @param {{ code?: string, retry_after_ms?: number }} [frame] */
  constructor(message, frame = {}) {
    super(message);
    this.name = new.target.name;
    /** The server's code, such as `"not_found"`; empty for what the client itself says. */
    this.code = frame.code ?? "";
    /** After how many milliseconds trying again makes sense, if the server said so. @type {number | undefined} */
    this.retryAfterMs = frame.retry_after_ms;
    /** Of a publish: an earlier try of it may have been stored all the same. */
    this.uncertain = false;
  }
}
export class BadFrame extends ParlorError {}
export class UnknownType extends ParlorError {}
export class VersionUnsupported extends ParlorError {}
export class Unauthenticated extends ParlorError {}
export class Forbidden extends ParlorError {}
export class NotFound extends ParlorError {}
export class NotJoined extends ParlorError {}
export class TooLarge extends ParlorError {}
export class RateLimited extends ParlorError {}
export class Overloaded extends ParlorError {}
export class Conflict extends ParlorError {}
export class Unavailable extends ParlorError {}
export class Internal extends ParlorError {}

/** There is no connection, or it went before the reply came. */
export class Disconnected extends ParlorError {}
/** No reply came in time. */
export class TimedOut extends ParlorError {}
/** The outbox has no room. */
export class Full extends ParlorError {}
/** The server says not to come back like this. */
export class Refused extends ParlorError {
  /** @param {string} message @param {{ code?: string, retry_after_ms?: number }} [frame] @param {number} [closeCode] */
  constructor(message, frame, closeCode) {
    super(message, frame);
    /** The close code, if there was one: 4500 unauthenticated, 4501 kicked, and so on. */
    this.closeCode = closeCode;
  }
}

/** @type {Record<string, typeof ParlorError>} */
const CLASSES = {
  bad_frame: BadFrame,
  unknown_type: UnknownType,
  version_unsupported: VersionUnsupported,
  unauthenticated: Unauthenticated,
  forbidden: Forbidden,
  not_found: NotFound,
  not_joined: NotJoined,
  too_large: TooLarge,
  rate_limited: RateLimited,
  overloaded: Overloaded,
  conflict: Conflict,
  unavailable: Unavailable,
  internal: Internal,
};

/** The error that an `error` frame stands for. @param {Record<string, any>} frame @returns {ParlorError} */
export function errorOf(frame) {
  const Class = Object.hasOwn(CLASSES, frame.code) ? CLASSES[frame.code] : ParlorError;
  return new Class(String(frame.message ?? frame.code), frame);
}

/** Whether the same thing may work later. @param {{ code: string }} error */
export const passes = ({ code }) => ["rate_limited", "overloaded", "unavailable", "internal"].includes(code);
