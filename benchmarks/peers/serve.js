/**
 * The peers' side of `seal bench kernels --peers`: JSON lines on stdin and stdout. A library is handed a problem with its
 * operands in files, writes its result to a file, and then takes its turns when it is told to.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

// Stdout belongs to the protocol.
console.log = console.error;
console.warn = console.error;

const reply = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Loads a package of the folder that this peer was installed to. */
export const load = createRequire(join(process.argv[2], 'package.json'));

/** Version of a package of that folder, whatever it exports. */
export function versionOf(name) {
  return JSON.parse(readFileSync(join(process.argv[2], 'node_modules', name, 'package.json'), 'utf8')).version;
}

/** Gives this process a `navigator.gpu` by the Dawn that the project itself uses. */
export async function useDawn() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const requestAdapter = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => watched(await requestAdapter(options));
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node', hardwareConcurrency: 2 }, configurable: true });
  const { description, device } = (await gpu.requestAdapter({ powerPreference: 'high-performance' })).info;
  return description || device;
}

/** What WebGPU reported: a refused submit takes no time at all. */
const errors = [];

/** The adapter, with an ear on the devices that it gives. */
function watched(adapter) {
  const requestDevice = adapter.requestDevice.bind(adapter);
  adapter.requestDevice = async (descriptor) => {
    const device = await requestDevice(descriptor);
    device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
    return device;
  };
  return adapter;
}

function throwIfRefused() {
  if (errors.length > 0) throw new Error(errors.splice(0)[0].split('\n')[0]);
}

/**
 * Answers until stdin ends. `start()` gives version and device; `prepare(problem, operands)` gives `run(times)`, which
 * resolves when all of it is done, `result()` as a Float32Array, and `release()`.
 */
export async function serve({ start, prepare }) {
  try {
    reply({ ready: await start() });
  } catch (error) {
    reply({ failed: error.message });
    return;
  }
  let current = null;
  for await (const line of createInterface(process.stdin)) {
    const request = JSON.parse(line);
    try {
      if ('run' in request) {
        const begun = performance.now();
        await current.run(request.run);
        const ms = (performance.now() - begun) / request.run;
        throwIfRefused();
        reply({ ms });
        continue;
      }
      current?.release();
      current = null;
      const { problem, files, result } = request.prepare;
      const operands = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, floats(path)]));
      current = await prepare(problem, operands);
      const values = await current.result();
      throwIfRefused();
      writeFileSync(result, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      reply({ prepared: true });
    } catch (error) {
      reply({ failed: error.message });
    }
  }
  process.exit(0);
}

function floats(path) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** Rows and columns of a matmul's operands as they are stored. */
export function storedShapes({ layout, M, N, K }) {
  return { a: layout === 'tn' ? [K, M] : [M, K], b: layout === 'nt' ? [N, K] : [K, N] };
}
