/** What the adapter can do at all: arithmetic that touches no memory, and a copy that does no arithmetic. */

import type { Gpu } from '@seal/device';
import { fold } from '@seal/kernels';
import { takeTurns, type Contestant, type Launch, type Stopwatch, type Timing } from '@seal/tuner';
import copyCode from './copy.wgsl.ts';
import multiplyAddCode from './multiply-add.wgsl.ts';

/** Measured in the same run as the rows that they are compared with. */
export interface Ceilings {
  /** Multiply-adds in registers, two operations each: the best of several widths. */
  readonly gflops: number;
  /** A copy by vec4s, bytes read and written: the best of several lengths of run. */
  readonly gbps: number;
}

/** Ceilings, and the vec4s an invocation copies where copying is fastest. */
export interface MeasuredCeilings extends Ceilings {
  readonly copyRun: number;
}

const WIDTHS = [4, 8, 12];
const TURNS = 512;
const LINKS = 4;
const RUNS = [1, 4, 16, 64];
/** In memory, not in a cache: a GPU's last level holds some tens of MiB. */
const GPU_COPY_BYTES = 128 * 2 ** 20;
/** Software adapters: as much as the largest cases move, which their caches hold too. */
const CPU_COPY_BYTES = 8 * 2 ** 20;

/** Measures both, and settles by the way whether the stopwatch's timestamps can be trusted. */
export async function measureCeilings(gpu: Gpu, watch: Stopwatch, turns: number): Promise<MeasuredCeilings> {
  const software = gpu.description.class === 'cpu';
  const invocations = software ? 4_096 : 2 ** 20;
  const sums = gpu.device.createBuffer({ label: 'sums', size: 16 * invocations, usage: GPUBufferUsage.STORAGE });
  const arithmetic = WIDTHS.map((width): Contestant & { readonly launch: Launch } => {
    const launch = launchOf(gpu, `const WIDTH = ${width}u;\n${multiplyAddCode}`, [sums], TURNS, [invocations / 64]);
    return { name: `${width}`, launch, run: (times) => watch.time([launch], times) };
  });
  const limit = gpu.device.limits.maxStorageBufferBindingSize;
  const copyBytes = Math.min(software ? CPU_COPY_BYTES : GPU_COPY_BYTES, limit);
  const copies = new Copies(gpu, watch, copyBytes);
  try {
    const [first] = arithmetic;
    if (first) await watch.check([first.launch], 16);
    const flops = (width: number) => 2 * 4 * LINKS * TURNS * width * invocations;
    const rates = (await takeTurns(arithmetic, turns)).map((timing) => flops(Number(timing.name)) / fastest(timing) / 1e6);
    const byRun = (await takeTurns(RUNS.map((run) => copies.contestant(`${run}`, copyBytes, run)), turns)).map((timing) => ({
      copyRun: Number(timing.name),
      gbps: (2 * copyBytes) / fastest(timing) / 1e6,
    }));
    const best = byRun.reduce((a, b) => (b.gbps > a.gbps ? b : a));
    return { gflops: Math.max(...rates), ...best };
  } finally {
    copies.destroy();
    sums.destroy();
  }
}

/** The least time: whatever else ran, the adapter reached this. */
function fastest({ samples }: Timing): number {
  return Math.min(...samples.map(({ gpuMs, wallMs }) => gpuMs ?? wallMs));
}

/** Copies between two buffers of at most `byteLength`, as contestants. Owns the buffers until `destroy`. */
export class Copies {
  readonly #gpu: Gpu;
  readonly #watch: Stopwatch;
  readonly #from: GPUBuffer;
  readonly #to: GPUBuffer;

  constructor(gpu: Gpu, watch: Stopwatch, byteLength: number) {
    this.#gpu = gpu;
    this.#watch = watch;
    const size = Math.ceil(byteLength / 16) * 16;
    this.#from = gpu.device.createBuffer({ label: 'copied from', size, usage: GPUBufferUsage.STORAGE });
    this.#to = gpu.device.createBuffer({ label: 'copied to', size, usage: GPUBufferUsage.STORAGE });
  }

  /** Copies the first `byteLength` bytes, `run` vec4s an invocation. */
  contestant(name: string, byteLength: number, run: number): Contestant {
    const count = Math.ceil(byteLength / 16);
    const code = `const RUN = ${run}u;\n${copyCode}`;
    const launch = launchOf(this.#gpu, code, [this.#from, this.#to], count, fold(Math.ceil(count / (256 * run))));
    return { name, run: (times) => this.#watch.time([launch], times) };
  }

  destroy(): void {
    this.#from.destroy();
    this.#to.destroy();
  }
}

/** A kernel over whole buffers whose one parameter is a u32. */
function launchOf(
  { device }: Gpu,
  code: string,
  buffers: readonly GPUBuffer[],
  param: number,
  workgroups: Launch['workgroups'],
): Launch {
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const params = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM, mappedAtCreation: true });
  new Uint32Array(params.getMappedRange())[0] = param;
  params.unmap();
  const entries = [...buffers, params].map((buffer, binding) => ({ binding, resource: { buffer } }));
  return { pipeline, bindGroup: device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }), workgroups };
}
