/** Loading under watch, for the tests: a model directory of any size that takes no room, and what the host holds meanwhile. */

import { mkdirSync, openSync, closeSync, ftruncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Gpu } from '@seal/device';
import type { ModelConfig } from '../model-config.ts';
import { parameterLayout } from '../parameters.ts';

/** Writes `model.safetensors` of bf16 zeros as a sparse file. Returns its bytes. */
export function writeSparseWeights(directory: string, config: ModelConfig): number {
  let offset = 0;
  const header: Record<string, unknown> = {};
  for (const { name, shape, elementCount } of parameterLayout(config).places.values()) {
    header[name] = { dtype: 'BF16', shape, data_offsets: [offset, (offset += elementCount * 2)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.byteLength));
  mkdirSync(directory, { recursive: true });
  const file = openSync(join(directory, 'model.safetensors'), 'w');
  writeSync(file, Buffer.concat([length, json]));
  ftruncateSync(file, 8 + json.byteLength + offset);
  closeSync(file);
  return 8 + json.byteLength + offset;
}

/** The most that heap and external memory grew by, looked at whenever something is written to the device. */
export function watchHost({ device }: Gpu): { readonly grown: number; readonly written: number } {
  const now = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = now();
  const seen = { grown: 0, written: 0 };
  const { queue } = device;
  const write = queue.writeBuffer.bind(queue);
  const watched: GPUQueue['writeBuffer'] = (...operands) => {
    const [, , data] = operands;
    seen.written += data.byteLength;
    seen.grown = Math.max(seen.grown, now() - before);
    write(...operands);
  };
  const counting = new Proxy(queue, {
    get(target, key) {
      if (key === 'writeBuffer') return watched;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  Object.defineProperty(device, 'queue', { value: counting, configurable: true });
  return seen;
}
