/**
 * From ops to commands: pipelines are compiled once, a step is recorded once as a list of dispatches and re-encoded as
 * often as it runs (WebGPU cannot resubmit a command buffer). Encoding creates no buffer, pipeline or bind group.
 */

import { enableLines, selectVariant, type ChoiceOptions } from './choice.ts';
import {
  elementCount,
  type AdapterProfile,
  type AnyOp,
  type Op,
  type Operand,
  type Sizes,
  type Variant,
  type Workgroups,
} from './op.ts';

/** A buffer, whole or in part. Offsets are multiples of 256 bytes. */
export type Slice = GPUBuffer | GPUBufferBinding;

/** Buffers of an op by operand name. Optional inputs may be missing. */
export type Bindings<I extends string, O extends string> = Readonly<Record<O, Slice> & Partial<Record<I, Slice>>>;

interface Dispatch<Step> {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: (step: Step) => Workgroups;
}

interface Copy<Step> {
  readonly from: Slice;
  readonly to: Slice;
  readonly byteLength: number;
  readonly toOffset: (step: Step) => number;
}

interface Clear {
  readonly clear: Slice;
}

const buffer = (slice: Slice): GPUBuffer => ('buffer' in slice ? slice.buffer : slice);
const byteOffset = (slice: Slice): number => ('buffer' in slice ? (slice.offset ?? 0) : 0);
const byteLength = (slice: Slice): number =>
  'buffer' in slice ? (slice.size ?? slice.buffer.size - (slice.offset ?? 0)) : slice.size;

/** Compiled ops of one device. Owns its pipelines and parameter buffers until `destroy`. */
export class Kernels {
  readonly device: GPUDevice;
  readonly profile: AdapterProfile;
  readonly #choice: ChoiceOptions;
  #pipelines = new Map<string, { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }>();
  #params = new Map<string, GPUBuffer>();
  #absent: GPUBuffer;

  constructor(device: GPUDevice, profile: AdapterProfile, choice: ChoiceOptions = {}) {
    this.device = device;
    this.profile = profile;
    this.#choice = choice;
    this.#absent = device.createBuffer({ label: 'absent operand', size: 256, usage: GPUBufferUsage.STORAGE });
  }

  /**
   * Prepares one dispatch. `dynamic` gives the sizes that change from step to step (fewer tokens than the buffers
   * hold); only the workgroup counts follow it, the kernel's `params` keep `sizes`.
   */
  dispatch<S extends string, I extends string, O extends string, Step = void>(
    op: Op<S, I, O>,
    sizes: Sizes<S>,
    bindings: Bindings<I, O>,
    options: { readonly variant?: string; readonly dynamic?: (step: Step) => Partial<Sizes<S>> } = {},
  ): Dispatch<Step> {
    const variant = this.variantOf(op, sizes, options.variant);
    const prelude = enableLines(variant, this.profile) + (variant.prelude?.(sizes) ?? '');
    const constants = variant.constants?.(sizes, this.profile) ?? {};
    const { pipeline, layout } = this.#pipeline(op, variant, prelude, constants);
    const operands = Object.entries({ ...op.inputs, ...op.outputs }) as [I | O, Operand<S>][];
    const entries: GPUBindGroupEntry[] = [];
    for (const [name, operand] of operands) {
      const slice: Slice | undefined = bindings[name];
      if (slice === undefined) {
        if (!operand.optional) throw new TypeError(`Cannot run ${op.name}: operand ${name} is missing`);
        entries.push({ binding: entries.length, resource: { buffer: this.#absent } });
        continue;
      }
      const needed = elementCount(operand.shape(sizes)) * 4;
      if (byteLength(slice) < needed) {
        throw new RangeError(
          `Cannot run ${op.name}: ${name} (${operand.shape(sizes).join(', ')}) needs ${needed} bytes, ` +
            `its buffer has ${byteLength(slice)}`,
        );
      }
      const resource = 'buffer' in slice ? slice : { buffer: slice };
      entries.push({ binding: entries.length, resource });
    }
    entries.push({ binding: entries.length, resource: { buffer: this.#uniform(op, sizes) } });
    const bindGroup = this.device.createBindGroup({ label: op.name, layout, entries });
    const { dynamic } = options;
    const workgroups = dynamic
      ? (step: Step) => variant.workgroups({ ...sizes, ...dynamic(step) })
      : constant(variant.workgroups(sizes));
    return { label: op.name, pipeline, bindGroup, workgroups };
  }

  /** The variant of an op that runs at these sizes, or the one named. Throws RangeError when it cannot run here. */
  variantOf<S extends string, I extends string, O extends string>(op: Op<S, I, O>, sizes: Sizes<S>, name?: string): Variant<S> {
    return selectVariant(op, this.profile, sizes, { ...this.#choice, ...(name !== undefined && { name }) });
  }

  #pipeline(op: AnyOp, variant: { name: string; code: string }, prelude: string, constants: Record<string, number>) {
    const key = `${op.name}/${variant.name}/${prelude}/${JSON.stringify(constants)}`;
    const known = this.#pipelines.get(key);
    if (known) return known;
    const types: GPUBufferBindingType[] = [
      ...Object.keys(op.inputs).map(() => 'read-only-storage' as const),
      ...Object.keys(op.outputs).map(() => 'storage' as const),
      'uniform',
    ];
    const layout = this.device.createBindGroupLayout({
      label: op.name,
      entries: types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } })),
    });
    const pipeline = this.device.createComputePipeline({
      label: `${op.name}/${variant.name}`,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: this.device.createShaderModule({ label: `${op.name}/${variant.name}`, code: prelude + variant.code }),
        entryPoint: 'main',
        constants,
      },
    });
    const made = { pipeline, layout };
    this.#pipelines.set(key, made);
    return made;
  }

  #uniform<S extends string>(op: { name: string; params: Record<S, 'u32' | 'f32'> }, sizes: Sizes<S>): GPUBuffer {
    const fields = Object.entries(op.params) as [S, 'u32' | 'f32'][];
    const key = fields.map(([name, type]) => `${type}:${sizes[name]}`).join(',');
    const known = this.#params.get(key);
    if (known) return known;
    const made = this.device.createBuffer({
      label: `params ${key}`,
      size: Math.max(16, Math.ceil(fields.length / 4) * 16),
      usage: GPUBufferUsage.UNIFORM,
      mappedAtCreation: true,
    });
    const view = new DataView(made.getMappedRange());
    fields.forEach(([name, type], index) => {
      const value = sizes[name];
      if (type === 'f32') view.setFloat32(index * 4, value, true);
      else if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) view.setUint32(index * 4, value, true);
      else throw new RangeError(`Cannot run ${op.name}: ${name} must be a whole number below 2^32, got ${value}`);
    });
    made.unmap();
    this.#params.set(key, made);
    return made;
  }

  /** Releases the parameter buffers; dispatches made here can no longer run. */
  destroy(): void {
    for (const params of this.#params.values()) params.destroy();
    this.#absent.destroy();
    this.#params.clear();
    this.#pipelines.clear();
  }
}

function constant<T>(value: T): () => T {
  return () => value;
}

/** An ordered list of dispatches, copies and clears that is encoded anew for every step. */
export class Recording<Step = void> {
  readonly kernels: Kernels;
  #items: (Dispatch<Step> | Copy<Step> | Clear)[] = [];

  constructor(kernels: Kernels) {
    this.kernels = kernels;
  }

  /** Number of dispatches, copies and clears in a step. */
  get length(): number {
    return this.#items.length;
  }

  /** Appends an op; arguments as for `Kernels.dispatch`. */
  run<S extends string, I extends string, O extends string>(
    op: Op<S, I, O>,
    sizes: Sizes<S>,
    bindings: Bindings<I, O>,
    dynamic?: (step: Step) => Partial<Sizes<S>>,
  ): void {
    this.#items.push(this.kernels.dispatch<S, I, O, Step>(op, sizes, bindings, dynamic && { dynamic }));
  }

  /** Appends a copy of `byteLength` bytes to `to`, `toOffset(step)` bytes further on. */
  copy(from: Slice, to: Slice, length: number, toOffset: (step: Step) => number = () => 0): void {
    this.#items.push({ from, to, byteLength: length, toOffset });
  }

  /** Appends the zeroing of a buffer. */
  clear(slice: Slice): void {
    this.#items.push({ clear: slice });
  }

  /** Encodes the step. Dispatches between two copies share one compute pass. */
  encode(encoder: GPUCommandEncoder, step: Step): void {
    let pass: GPUComputePassEncoder | null = null;
    for (const item of this.#items) {
      if ('pipeline' in item) {
        const [x, y, z] = item.workgroups(step);
        if (x === 0 || y === 0 || z === 0) continue;
        pass ??= encoder.beginComputePass();
        pass.setPipeline(item.pipeline);
        pass.setBindGroup(0, item.bindGroup);
        pass.dispatchWorkgroups(x, y, z);
        continue;
      }
      pass?.end();
      pass = null;
      if ('clear' in item) {
        encoder.clearBuffer(buffer(item.clear), byteOffset(item.clear), byteLength(item.clear));
      } else {
        encoder.copyBufferToBuffer(
          buffer(item.from),
          byteOffset(item.from),
          buffer(item.to),
          byteOffset(item.to) + item.toOffset(step),
          item.byteLength,
        );
      }
    }
    pass?.end();
  }
}
