// Chance from a seed.

/** Numbers from 0 to below 1, the same for the same seed. @param {number} seed @returns {() => number} */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: that of the environment, or another each time. */
export const SEED = Number(process.env.PARLOR_JS_SEED ?? Date.now() % 1_000_000);

/** Runs something with a seed, which a failure names. @template T @param {number} seed @param {() => T} what */
export function under(seed, what) {
  const blame = (/** @type {any} */ error) => {
    error.message = `PARLOR_JS_SEED=${seed}: ${error.message}`;
    throw error;
  };
  try {
    const result = what();
    return result instanceof Promise ? /** @type {T} */ (result.catch(blame)) : result;
  } catch (error) {
    return blame(error);
  }
}
