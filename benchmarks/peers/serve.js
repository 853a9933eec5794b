/**
 * A peer's side of `seal bench kernels --peers`: one JSON line on stdin, one on stdout. It says `ready` first. `load`
 * names a problem and the files of its operands (little-endian float32) and wants the result in a file, `run` wants it
 * computed so many times and the milliseconds an execution took.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openDawn } from '@seal/device';

// Stdout belongs to the protocol.
console.log = console.error;
console.info = console.error;
console.warn = console.error;

/** What a device refused: work that was dropped must not be timed. */
const deviceErrors = [];

const folder = process.argv[2];
const packages = createRequire(join(folder, 'package.json'));

/** Loads a package from the peers' folder. */
export const load = (name) => packages(name);

/** The version of a package in the peers' folder. */
export const versionOf = (name) => JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version;

/**
 * Makes the project's Dawn this process's `navigator.gpu`: the same build, switches and adapter as our kernels run on,
 * and the same pacing of Dawn's polling, which would otherwise keep a core of a software adapter busy. Returns the
 * adapter's name.
 */
export async function useDawn() {
  const requestAdapter = async (options) => {
    const { adapter: found } = await openDawn({ forceFallbackAdapter: false, ...options });
    const requestDevice = found?.requestDevice.bind(found);
    if (found) found.requestDevice = async (descriptor) => watched(await requestDevice(descriptor));
    return found;
  };
  const adapter = await requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('Dawn finds no adapter');
  Object.defineProperty(globalThis, 'navigator', {
    value: { gpu: { requestAdapter }, userAgent: 'node', platform: process.platform },
    configurable: true,
  });
  return adapter.info.description || adapter.info.device;
}

function throwIfRefused() {
  const [first] = deviceErrors.splice(0);
  if (first !== undefined) throw new Error(first);
}

function watched(device) {
  device.addEventListener('uncapturederror', ({ error }) => deviceErrors.push(error.message));
  return device;
}

/**
 * Answers until stdin ends. `start()` gives version and device. `prepare(problem, operands)` gets operands as
 * `{ values, shape }` and gives null where the library has no simple way to compute the problem, else `run(times)`, which
 * resolves when the device has done all of it, `result()` with the values in a Float32Array, and `release()`.
 */
export async function serve({ start, prepare }) {
  let current = null;
  const answer = async ({ load: task, run }) => {
    if (run !== undefined) {
      const begun = performance.now();
      await current.run(run);
      const ms = (performance.now() - begun) / run;
      throwIfRefused();
      return { ms };
    }
    await current?.release();
    current = null;
    const operands = task.operands.map(({ name, path, shape }) => [name, { values: floats(path), shape }]);
    current = await prepare(task.problem, Object.fromEntries(operands));
    if (current === null) return { loaded: false };
    const values = await current.result();
    throwIfRefused();
    writeFileSync(task.result, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return { loaded: true };
  };
  await reply(async () => ({ ready: await start() }));
  for await (const line of createInterface(process.stdin)) await reply(() => answer(JSON.parse(line)));
  process.exit(0);
}

async function reply(work) {
  let value;
  try {
    value = await work();
  } catch (error) {
    value = { failed: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function floats(path) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
