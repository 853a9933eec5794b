/**
 * From ops to commands: pipelines are compiled once, a step is recorded once as a list of dispatches and re-encoded as
 * often as it runs (WebGPU cannot resubmit a command buffer). Memory that lives within a step is planned when the list is
 * complete; encoding creates no buffer, pipeline or bind group.
 */

import { enableLines, selectVariant, type ChoiceOptions } from './choice.ts';
import { planMemory, type Lifetime } from './memory-plan.ts';
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

/** Memory within a step, made by `Recording.temporary`. It has a buffer once the recording is sealed. */
export interface Temporary {
  /** What it holds, for messages. */
  readonly temporary: string;
  readonly byteLength: number;
}

/** A part of a buffer or temporary, in bytes; to its end where no size is given. */
export interface Part {
  readonly buffer: GPUBuffer | Temporary;
  readonly offset?: number;
  readonly size?: number;
}

/** A buffer or temporary, whole or in part. Offsets are multiples of 256 bytes. */
export type Slice = GPUBuffer | Temporary | Part;

/** Buffers of an op by operand name. Optional inputs may be missing. */
export type Bindings<I extends string, O extends string> = Readonly<Record<O, Slice> & Partial<Record<I, Slice>>>;

/** A dispatch whose operands may still be temporaries. */
interface Operation<Step> {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** In the order of the bindings. */
  readonly operands: readonly { readonly slice: Slice; readonly written: boolean }[];
  readonly workgroups: (step: Step) => Workgroups;
}

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

interface BoundCopy<Step> extends Copy<Step> {
  readonly from: Required<GPUBufferBinding>;
  readonly to: Required<GPUBufferBinding>;
}

interface BoundClear {
  readonly clear: Required<GPUBufferBinding>;
}

const isPart = (slice: Slice): slice is Part => 'buffer' in slice;
const isTemporary = (buffer: GPUBuffer | Temporary): buffer is Temporary => 'temporary' in buffer;
const bufferOf = (slice: Slice): GPUBuffer | Temporary => (isPart(slice) ? slice.buffer : slice);
const byteOffset = (slice: Slice): number => (isPart(slice) ? (slice.offset ?? 0) : 0);
const capacity = (buffer: GPUBuffer | Temporary): number => (isTemporary(buffer) ? buffer.byteLength : buffer.size);
const byteLength = (slice: Slice): number =>
  (isPart(slice) ? slice.size : undefined) ?? capacity(bufferOf(slice)) - byteOffset(slice);

/** A part of a slice from `offset` bytes on, `size` bytes long or to the end. */
export function part(slice: Slice, offset: number, size: number = byteLength(slice) - offset): Part {
  return { buffer: bufferOf(slice), offset: byteOffset(slice) + offset, size };
}

interface DispatchOptions<S extends string, Step> {
  readonly variant?: string;
  readonly dynamic?: (step: Step) => Partial<Sizes<S>>;
}

/** A slice as WebGPU binds it; `buffers` holds the temporaries'. */
function resolve(slice: Slice, buffers?: ReadonlyMap<Temporary, GPUBuffer>): Required<GPUBufferBinding> {
  const owner = bufferOf(slice);
  const buffer = isTemporary(owner) ? buffers?.get(owner) : owner;
  if (!buffer) throw new TypeError(`Cannot bind ${labelOf(owner)}: it is a temporary of another recording`);
  return { buffer, offset: byteOffset(slice), size: byteLength(slice) };
}

function labelOf(buffer: GPUBuffer | Temporary): string {
  return isTemporary(buffer) ? buffer.temporary : buffer.label;
}

interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Pipelines by device, by code and by what else they are made of: compiled once and kept as long as their device. */
const compiled = new WeakMap<GPUDevice, Map<string, Map<string, Pipeline>>>();

/** Ops of one device, whose compiled pipelines all `Kernels` of it share. Owns its parameter buffers until `destroy`. */
export class Kernels {
  readonly device: GPUDevice;
  readonly profile: AdapterProfile;
  readonly #choice: ChoiceOptions;
  readonly #pipelines: Map<string, Map<string, Pipeline>>;
  #params = new Map<string, GPUBuffer>();
  #absent: GPUBuffer;

  constructor(device: GPUDevice, profile: AdapterProfile, choice: ChoiceOptions = {}) {
    this.device = device;
    this.profile = profile;
    this.#choice = choice;
    this.#pipelines = compiled.get(device) ?? new Map<string, Map<string, Pipeline>>();
    compiled.set(device, this.#pipelines);
    this.#absent = device.createBuffer({ label: 'absent operand', size: 256, usage: GPUBufferUsage.STORAGE });
  }

  /**
   * Prepares one dispatch over buffers. `dynamic` gives the sizes that change from step to step (fewer tokens than the buffers
   * hold); only the workgroup counts follow it, the kernel's `params` keep `sizes`.
   */
  dispatch<S extends string, I extends string, O extends string, Step = void>(
    op: Op<S, I, O>,
    sizes: Sizes<S>,
    bindings: Bindings<I, O>,
    options: DispatchOptions<S, Step> = {},
  ): Dispatch<Step> {
    const { operands, layout, ...rest } = this.prepare(op, sizes, bindings, options);
    const entries = operands.map(({ slice }, binding) => ({ binding, resource: resolve(slice) }));
    return { ...rest, bindGroup: this.device.createBindGroup({ label: op.name, layout, entries }) };
  }

  /** As `dispatch`, with operands that may be temporaries and are bound later. */
  prepare<S extends string, I extends string, O extends string, Step = void>(
    op: Op<S, I, O>,
    sizes: Sizes<S>,
    bindings: Bindings<I, O>,
    options: DispatchOptions<S, Step> = {},
  ): Operation<Step> {
    const variant = this.variantOf(op, sizes, options.variant);
    const prelude = enableLines(variant, this.profile) + (variant.prelude?.(sizes, this.profile) ?? '');
    const constants = variant.constants?.(sizes, this.profile) ?? {};
    const { pipeline, layout } = this.#pipeline(op, variant, prelude, constants);
    const limit = this.device.limits.maxStorageBufferBindingSize;
    const operands = (Object.entries({ ...op.inputs, ...op.outputs }) as [I | O, Operand<S>][]).map(([name, operand]) => {
      const slice: Slice | undefined = bindings[name];
      const written = name in op.outputs;
      if (slice === undefined) {
        if (!operand.optional) throw new TypeError(`Cannot run ${op.name}: operand ${name} is missing`);
        return { slice: this.#absent, written };
      }
      const shape = operand.shape(sizes);
      const needed = elementCount(shape) * 4;
      if (byteLength(slice) < needed) {
        throw new RangeError(
          `Cannot run ${op.name}: ${name} (${shape.join(', ')}) needs ${needed} bytes, its buffer has ${byteLength(slice)}`,
        );
      }
      if (byteLength(slice) > limit) {
        throw new RangeError(
          `Cannot run ${op.name}: ${name} (${shape.join(', ')}) is bound with ${byteLength(slice)} bytes, ` +
            `the device binds at most ${limit}; make the batch smaller`,
        );
      }
      return { slice, written };
    });
    operands.push({ slice: this.#uniform(op, sizes), written: false });
    const { dynamic } = options;
    const workgroups = dynamic
      ? (step: Step) => variant.workgroups({ ...sizes, ...dynamic(step) })
      : constant(variant.workgroups(sizes));
    return { label: op.name, pipeline, layout, operands, workgroups };
  }

  /** The variant of an op that runs at these sizes, or the one named. Throws RangeError when it cannot run here. */
  variantOf<S extends string, I extends string, O extends string>(op: Op<S, I, O>, sizes: Sizes<S>, name?: string): Variant<S> {
    return selectVariant(op, this.profile, sizes, { ...this.#choice, ...(name !== undefined && { name }) });
  }

  #pipeline(op: AnyOp, variant: { name: string; code: string }, prelude: string, constants: Record<string, number>) {
    const key = `${op.name}/${variant.name}/${prelude}/${JSON.stringify(constants)}`;
    const ofCode = this.#pipelines.get(variant.code) ?? new Map<string, Pipeline>();
    this.#pipelines.set(variant.code, ofCode);
    const known = ofCode.get(key);
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
    ofCode.set(key, made);
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
  }
}

function constant<T>(value: T): () => T {
  return () => value;
}

/** Bytes of a recording's temporaries: as planned, and what they would take with a buffer each. */
export interface PlannedMemory {
  readonly byteLength: number;
  readonly unsharedByteLength: number;
}

/**
 * An ordered list of dispatches, copies and clears that is encoded anew for every step. Owns the memory of its
 * temporaries until `destroy`.
 */
export class Recording<Step = void> {
  readonly kernels: Kernels;
  #items: (Operation<Step> | Copy<Step> | Clear)[] = [];
  #lifetimes = new Map<Temporary, Lifetime>();
  #sealed: { readonly buffers: readonly GPUBuffer[]; readonly items: readonly (Dispatch<Step> | BoundCopy<Step> | BoundClear)[] } | null =
    null;

  constructor(kernels: Kernels) {
    this.kernels = kernels;
  }

  /** Number of dispatches, copies and clears in a step. */
  get length(): number {
    return this.#items.length;
  }

  /** What the temporaries recorded so far take. */
  get memory(): PlannedMemory {
    const lifetimes = [...this.#lifetimes.values()];
    return {
      byteLength: sum(planMemory(lifetimes).byteLengths),
      unsharedByteLength: sum(lifetimes.map((lifetime) => lifetime.byteLength)),
    };
  }

  /**
   * Memory for `elementCount` 32-bit elements from the first item that writes it to the last that uses it. Between steps,
   * and where a smaller step leaves elements unwritten, it holds anything.
   */
  temporary(label: string, elementCount: number): Temporary {
    return { temporary: label, byteLength: Math.max(elementCount, 4) * 4 };
  }

  /**
   * Appends an op; arguments as for `Kernels.dispatch`. Throws RangeError where an input is a temporary that nothing has
   * written.
   */
  run<S extends string, I extends string, O extends string>(
    op: Op<S, I, O>,
    sizes: Sizes<S>,
    bindings: Bindings<I, O>,
    dynamic?: (step: Step) => Partial<Sizes<S>>,
  ): void {
    const operation = this.kernels.prepare<S, I, O, Step>(op, sizes, bindings, dynamic && { dynamic });
    this.#append(operation, op.name, operation.operands);
  }

  /** Appends a copy of `byteLength` bytes to `to`, `toOffset(step)` bytes further on. */
  copy(from: Slice, to: Slice, length: number, toOffset: (step: Step) => number = () => 0): void {
    this.#append({ from, to, byteLength: length, toOffset }, 'a copy', [
      { slice: from, written: false },
      { slice: to, written: true },
    ]);
  }

  /** Appends the zeroing of a buffer. */
  clear(slice: Slice): void {
    this.#append({ clear: slice }, 'a clear', [{ slice, written: true }]);
  }

  #append(item: Operation<Step> | Copy<Step> | Clear, label: string, accesses: Operation<Step>['operands']): void {
    if (this.#sealed) throw new TypeError(`Cannot add ${label}: the recording is sealed`);
    const index = this.#items.push(item) - 1;
    // Inputs first: an op must not bring to life what it reads.
    for (const { slice, written } of accesses.toSorted((a, b) => Number(a.written) - Number(b.written))) {
      const buffer = bufferOf(slice);
      if (!isTemporary(buffer)) continue;
      const known = this.#lifetimes.get(buffer);
      if (!known && !written) {
        throw new RangeError(`Cannot run ${label}: ${buffer.temporary} is read before anything writes it`);
      }
      this.#lifetimes.set(buffer, { byteLength: buffer.byteLength, first: known?.first ?? index, last: index });
    }
  }

  /** Plans and makes the temporaries' buffers and all bind groups; nothing can be added from then on. */
  seal(): void {
    this.#sealed ??= this.#bind();
  }

  #bind() {
    const { device } = this.kernels;
    const plan = planMemory([...this.#lifetimes.values()]);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffers = plan.byteLengths.map((size, index) => device.createBuffer({ label: `temporary ${index}`, size, usage }));
    const temporaries = [...this.#lifetimes.keys()];
    const places = new Map(temporaries.map((temporary, index) => [temporary, buffers[plan.placement[index]]]));
    const identities = new Map<object, number>();
    const identity = (value: object) => {
      const known = identities.get(value) ?? identities.size;
      identities.set(value, known);
      return known;
    };
    const groups = new Map<string, GPUBindGroup>();
    const items = this.#items.map((item) => {
      if ('clear' in item) return { clear: resolve(item.clear, places) };
      if ('from' in item) return { ...item, from: resolve(item.from, places), to: resolve(item.to, places) };
      const { label, pipeline, layout, workgroups } = item;
      const resources = item.operands.map(({ slice }) => resolve(slice, places));
      const key = [identity(layout), ...resources.flatMap(({ buffer, offset, size }) => [identity(buffer), offset, size])].join();
      const entries = resources.map((resource, binding) => ({ binding, resource }));
      const bindGroup = groups.get(key) ?? device.createBindGroup({ label, layout, entries });
      groups.set(key, bindGroup);
      return { label, pipeline, bindGroup, workgroups };
    });
    return { buffers, items };
  }

  /** Encodes the step, sealing the recording at the first. Dispatches between two copies share one compute pass. */
  encode(encoder: GPUCommandEncoder, step: Step): void {
    this.#sealed ??= this.#bind();
    let pass: GPUComputePassEncoder | null = null;
    for (const item of this.#sealed.items) {
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
        const { buffer, offset, size } = item.clear;
        encoder.clearBuffer(buffer, offset, size);
      } else {
        const { from, to } = item;
        encoder.copyBufferToBuffer(from.buffer, from.offset, to.buffer, to.offset + item.toOffset(step), item.byteLength);
      }
    }
    pass?.end();
  }

  /** Releases the temporaries' buffers; the recording can no longer run. */
  destroy(): void {
    for (const buffer of this.#sealed?.buffers ?? []) buffer.destroy();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}
