/**
 * Waiting for the GPU without keeping a core busy.
 *
 * While a promise of Dawn's is open, its Node addon asks for events on every turn of the event loop, by a native function
 * without a name that it hands to `setImmediate`: the main thread spins. On a software adapter that takes one of the
 * cores that the GPU's work runs on. Here such calls go on at once for a moment, for short waits, and once a millisecond
 * after that. All other callers of `setImmediate` are served as before.
 */

/** How long a wait may spin. */
const SPIN_MS = 1;
/** Two polls further apart than this belong to two waits. */
const APART_MS = 20;

type Immediate = typeof setImmediate;
const paced = new WeakSet<object>();

/** Puts a `setImmediate` in place that paces Dawn's polling; once is enough. */
export function paceDawn(scope: { setImmediate: Immediate } = globalThis): void {
  const immediate = scope.setImmediate;
  if (typeof immediate !== 'function' || paced.has(immediate)) return;
  let begun = 0;
  let latest = -Infinity;
  const schedule = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    if (!isNative(callback)) return immediate(callback, ...args);
    const now = performance.now();
    if (now - latest > APART_MS) begun = now;
    latest = now;
    return now - begun < SPIN_MS ? immediate(callback, ...args) : setTimeout(callback, 1, ...args);
  };
  // What hangs on the original, such as its form for `util.promisify`, stays within reach.
  Object.defineProperties(schedule, Object.getOwnPropertyDescriptors(immediate));
  paced.add(schedule);
  scope.setImmediate = schedule as unknown as Immediate;
}

function isNative(callback: (...args: never[]) => unknown): boolean {
  return callback.name === '' && /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(callback));
}
