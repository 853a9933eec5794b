/** Buffers of 32-bit elements: making them, filling them, reading them back. */

import { DeviceLostError } from '@seal/device';

// Numeric flags: the namespace objects are not global on every runtime before a device is open.
const STORAGE_COPY_SRC_COPY_DST = 0x80 | 0x04 | 0x08;
const MAP_READ = 0x01;
const COPY_DST = 0x08;
const LOSS_PATIENCE_MS = 1_000;

/** A storage buffer of `elementCount` 32-bit elements, zeroed, that can be copied from and to. */
export function createStorage(device: GPUDevice, label: string, elementCount: number): GPUBuffer {
  return device.createBuffer({ label, size: Math.max(elementCount, 4) * 4, usage: STORAGE_COPY_SRC_COPY_DST });
}

/** Overwrites a buffer from byte `offset` on. Nothing to write is left out: Deno 2.9 aborts on an empty array. */
export function upload(device: GPUDevice, target: GPUBuffer, values: Uint32Array | Float32Array, offset = 0): void {
  if (values.length > 0) device.queue.writeBuffer(target, offset, values as Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>);
}

/**
 * Copies of `elementCount` elements from element `offset` on. Resolves when everything submitted before has run. Rejects
 * with DeviceLostError when the device is lost.
 */
export async function readFloats(
  device: GPUDevice,
  source: GPUBuffer,
  offset: number,
  elementCount: number,
): Promise<Float32Array> {
  const staging = new Readback(device, elementCount);
  try {
    return await staging.floats(source, offset, elementCount);
  } finally {
    staging.destroy();
  }
}

/** A staging buffer that results are read through, one reader at a time. Owns it until `destroy`. */
export class Readback {
  #device: GPUDevice;
  #staging: GPUBuffer;

  /** Reads of more than `elementCount` elements go in pieces. */
  constructor(device: GPUDevice, elementCount: number) {
    this.#device = device;
    this.#staging = device.createBuffer({ label: 'read back', size: Math.max(elementCount, 4) * 4, usage: MAP_READ | COPY_DST });
  }

  /** As `readFloats`. */
  async floats(source: GPUBuffer, offset: number, elementCount: number): Promise<Float32Array> {
    return new Float32Array(await this.#bytes(source, offset * 4, elementCount * 4));
  }

  /** As `readFloats`, for whole numbers. */
  async words(source: GPUBuffer, offset: number, elementCount: number): Promise<Uint32Array> {
    return new Uint32Array(await this.#bytes(source, offset * 4, elementCount * 4));
  }

  async #bytes(source: GPUBuffer, offset: number, byteLength: number): Promise<ArrayBuffer> {
    const result = new Uint8Array(byteLength);
    for (let at = 0; at < byteLength; at += this.#staging.size) {
      const length = Math.min(this.#staging.size, byteLength - at);
      const encoder = this.#device.createCommandEncoder();
      encoder.copyBufferToBuffer(source, offset + at, this.#staging, 0, length);
      this.#device.queue.submit([encoder.finish()]);
      try {
        await this.#staging.mapAsync(MAP_READ, 0, length);
        result.set(new Uint8Array(this.#staging.getMappedRange(0, length)), at);
        this.#staging.unmap();
      } catch (cause) {
        throw await whyUnreadable(this.#device, cause);
      }
    }
    return result.buffer;
  }

  destroy(): void {
    this.#staging.destroy();
  }
}

/** Mapping fails with an error that says nothing when the device is lost, perhaps a moment before the loss is told. */
async function whyUnreadable(device: GPUDevice, cause: unknown): Promise<unknown> {
  const patience = new Promise<null>((resolve) => setTimeout(resolve, LOSS_PATIENCE_MS, null));
  const loss = await Promise.race([device.lost, patience]);
  if (loss) return new DeviceLostError(loss.reason, loss.message);
  return new Error(`Cannot read back from the GPU: ${cause instanceof Error && cause.message !== '' ? cause.message : String(cause)}`, { cause });
}
