/** Times a compute pass on one device, by timestamp queries where they agree with the wall clock. */

import type { Gpu } from '@seal/device';
import type { Sample } from './turns.ts';

/** What one dispatch needs. */
export interface Launch {
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [x: number, y?: number, z?: number];
}

/** Which clock a record used. */
export type Clock = 'timestamp-query' | 'wall';

/** Owns a query set and two small buffers until `destroy`. */
export class Stopwatch {
  readonly #gpu: Gpu;
  #queries: { readonly set: GPUQuerySet; readonly resolved: GPUBuffer; readonly read: GPUBuffer } | null = null;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    const { device } = gpu;
    if (!device.features.has('timestamp-query')) return;
    this.#queries = {
      set: device.createQuerySet({ type: 'timestamp', count: 2 }),
      resolved: device.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC }),
      read: device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST }),
    };
  }

  get clock(): Clock {
    return this.#queries ? 'timestamp-query' : 'wall';
  }

  /** Gives timestamps up where a submit of some length disagrees with the wall clock. `launches` should take over 10 ms. */
  async check(launches: readonly Launch[], times: number): Promise<void> {
    if (!this.#queries) return;
    await this.time(launches, times);
    const { wallMs, gpuMs } = await this.time(launches, times);
    if (gpuMs === null || gpuMs > 1.05 * wallMs || gpuMs < 0.5 * wallMs) this.#release();
  }

  /** Runs `launches` in order, all of them `times` times, in one pass of one submit. */
  async time(launches: readonly Launch[], times: number): Promise<Sample> {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass(
      this.#queries
        ? { timestampWrites: { querySet: this.#queries.set, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } }
        : {},
    );
    for (let i = 0; i < times; i++) {
      for (const { pipeline, bindGroup, workgroups } of launches) {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(...workgroups);
      }
    }
    pass.end();
    const commands = encoder.finish();
    const start = performance.now();
    device.queue.submit([commands]);
    await device.queue.onSubmittedWorkDone();
    const wallMs = (performance.now() - start) / times;
    const gpuMs = this.#queries ? (await this.#elapsedMs(this.#queries)) / times : null;
    this.#gpu.throwIfFailed();
    return { wallMs, gpuMs };
  }

  /** Resolved in a submit of its own: the wall clock of the work must not hold it. */
  async #elapsedMs({ set, resolved, read }: { set: GPUQuerySet; resolved: GPUBuffer; read: GPUBuffer }): Promise<number> {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    encoder.resolveQuerySet(set, 0, 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, read, 0, 16);
    device.queue.submit([encoder.finish()]);
    await read.mapAsync(GPUMapMode.READ);
    const [begun = 0n, ended = 0n] = new BigUint64Array(read.getMappedRange());
    read.unmap();
    return Number(ended - begun) / 1e6;
  }

  #release(): void {
    this.#queries?.set.destroy();
    this.#queries?.resolved.destroy();
    this.#queries?.read.destroy();
    this.#queries = null;
  }

  destroy(): void {
    this.#release();
  }
}
