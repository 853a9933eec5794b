/** Float32 numbers in the layout of a model's parameters, on a device. */

import { readFloats, createStorage, upload } from './buffers.ts';
import { splitLayout, type ArenaSplit, type ParameterLayout } from './parameters.ts';
import type { Matrix, MatrixPart } from './matrix.ts';

/**
 * Numbers laid out as the model's parameters: weights, gradients or moments. Owns its buffers until `destroy`, none of
 * them larger than the limit it was made for.
 */
export class ParameterArena {
  readonly layout: ParameterLayout;
  readonly split: ArenaSplit;
  /** One for each of `split.buffers`. */
  readonly buffers: readonly GPUBuffer[];
  #device: GPUDevice;

  constructor(device: GPUDevice, label: string, layout: ParameterLayout, byteLimit: number) {
    this.#device = device;
    this.layout = layout;
    this.split = splitLayout(layout, byteLimit);
    this.buffers = this.split.buffers.map(({ elementCount }) => createStorage(device, label, elementCount));
  }

  /** The part of a buffer that holds one tensor. Throws RangeError for an unknown name and for a tensor in several parts. */
  slice(name: string): GPUBufferBinding {
    const { parts } = this.matrix(name);
    if (parts.length > 1) throw new RangeError(`Cannot bind tensor ${name} whole: it lies in ${parts.length} parts`);
    return parts[0].slice;
  }

  /** One tensor by its parts; a vector is a matrix of one row. Throws RangeError for an unknown name. */
  matrix(name: string): Matrix {
    const place = this.layout.places.get(name);
    const parts = this.split.parts.get(name);
    if (!place || !parts) throw new RangeError(`Cannot find tensor ${name}`);
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const [first, ...others] = parts.map(({ firstRow, rows: count, buffer, offset, elementCount }): MatrixPart => ({
      firstRow,
      rows: count,
      slice: { buffer: this.buffers[buffer], offset: offset * 4, size: elementCount * 4 },
    }));
    return { rows, columns: place.elementCount / rows, format: 'f32', parts: [first, ...others] };
  }

  /** Overwrites rows of a tensor from `first` on, those of `values`. */
  writeRows(name: string, first: number, values: Float32Array): void {
    const { columns, parts } = this.matrix(name);
    const end = first + values.length / columns;
    for (const { firstRow, rows, slice } of parts) {
      const from = Math.max(first, firstRow);
      const to = Math.min(end, firstRow + rows);
      if (from >= to) continue;
      const own = values.subarray((from - first) * columns, (to - first) * columns);
      upload(this.#device, slice.buffer, own, (slice.offset ?? 0) + (from - firstRow) * columns * 4);
    }
  }

  /** Overwrites everything; `values` in layout order. */
  write(values: Float32Array): void {
    this.buffers.forEach((buffer, i) => {
      const { start, elementCount } = this.split.buffers[i];
      upload(this.#device, buffer, values.subarray(start, start + elementCount));
    });
  }

  /** Everything, in layout order. */
  async read(): Promise<Float32Array> {
    const values = new Float32Array(this.layout.elementCount);
    for (const [i, buffer] of this.buffers.entries()) {
      const { start, elementCount } = this.split.buffers[i];
      values.set(await readFloats(this.#device, buffer, 0, elementCount), start);
    }
    return values;
  }

  /** Everything by tensor name. */
  async tensors(): Promise<Map<string, Float32Array>> {
    const values = await this.read();
    return new Map([...this.layout.places.values()].map((p) => [p.name, values.slice(p.offset, p.offset + p.elementCount)]));
  }

  destroy(): void {
    for (const buffer of this.buffers) buffer.destroy();
  }
}
