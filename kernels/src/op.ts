/**
 * The contract every op fulfils.
 *
 * An op is one mathematical function with its operands, its float64 reference, its gradient, the sizes it is tested
 * at, and one or more WGSL variants that compute it. The conformance suite walks the ops and needs nothing else.
 */

/** Sizes and scalars of one call; the same fields, in the same order, are the WGSL `struct Params`. */
export type Sizes<S extends string> = Readonly<Record<S, number>>;

/** Numbers of one operand in row-major order, as the float64 reference sees them. */
export type Numbers = Float64Array | Uint32Array;

/** A shape and type of matrices that an adapter's matrix units multiply, as `subgroupMatrixConfigs` lists them. */
export interface SubgroupMatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** What decides which variant of an op runs on an adapter. */
export interface AdapterProfile {
  readonly class: 'cpu' | 'integrated' | 'discrete' | 'unknown';
  /** Invocations per subgroup where it is the same for every pipeline and subgroup built-ins can be used, else null. */
  readonly subgroupSize: number | null;
  /** False where the WGSL front end knows the subgroup built-ins but refuses the line `enable subgroups;`. */
  readonly subgroupsNeedEnable: boolean;
  /** Features of the device. */
  readonly features: readonly string[];
  /** Limits of the device by name. */
  readonly limits: Readonly<Record<string, number>>;
  /** Empty where the adapter has no matrix units or does not show them. */
  readonly subgroupMatrixConfigs: readonly SubgroupMatrixConfig[];
}

/** An optional feature that a variant's WGSL is written with. */
export type Requirement = 'subgroups' | 'shader-f16' | 'chromium-experimental-subgroup-matrix';

/** One operand of an op. */
export interface Operand<S extends string> {
  readonly type: 'f32' | 'u32';
  readonly shape: (sizes: Sizes<S>) => readonly number[];
  /** Where set, the operand may be left out: a dummy is bound and the kernel must look at its own flag in `params`. */
  readonly optional?: true;
  /** Draws test values; standard normal numbers for f32 unless given. `uniform()` is in [0, 1). */
  readonly draw?: (sizes: Sizes<S>, uniform: () => number) => Numbers;
}

/** A buffer that an op writes. `overwrite` never reads what was there; `update` does (`+=`, or in place). */
export interface Output<S extends string> extends Operand<S> {
  readonly mode: 'overwrite' | 'update';
}

/** Workgroup counts of one dispatch. */
export type Workgroups = readonly [x: number, y?: number, z?: number];

/** One WGSL kernel of an op. Bindings: inputs in order, outputs in order, then `var<uniform> params: Params`. */
export interface Variant<S extends string> {
  readonly name: string;
  /** WGSL with entry point `main`. */
  readonly code: string;
  /** Lines placed before the code: `const`, `alias` and `enable` only. */
  readonly prelude?: (sizes: Sizes<S>, profile: AdapterProfile) => string;
  /** Optional features that the code uses; their `enable` lines are placed first. */
  readonly needs?: readonly Requirement[];
  /**
   * Inputs that are rounded to f16 before they are multiplied (sums stay f32): such a variant must be asked for. Values
   * beyond 65,504 become infinite.
   */
  readonly halfOperands?: readonly string[];
  /** Bytes of workgroup memory, where it uses any. */
  readonly workgroupBytes?: (sizes: Sizes<S>) => number;
  /** Values of the `override` constants. */
  readonly constants?: (sizes: Sizes<S>, profile: AdapterProfile) => Record<string, number>;
  /** What else must hold of adapter and sizes; nothing when absent. */
  readonly supports?: (profile: AdapterProfile, sizes: Sizes<S>) => boolean;
  /** Whether it is worth taking where nothing was measured; always when absent. */
  readonly suits?: (profile: AdapterProfile, sizes: Sizes<S>) => boolean;
  readonly workgroups: (sizes: Sizes<S>) => Workgroups;
}

/** How the derivative of an op is known, or why there is none. */
export type Gradient<S extends string, I extends string, O extends string> =
  | { readonly none: string }
  | {
      /** Differentiable inputs. */
      readonly of: readonly I[];
      /** Outputs a loss may reach them through; all f32 outputs when absent (saved statistics are left out). */
      readonly through?: readonly O[];
      /** Float64 gradients of sum(dOutputs * outputs) by the inputs in `of`, built from the backward ops' references. */
      readonly reference: (
        sizes: Sizes<S>,
        inputs: Record<I, Numbers>,
        outputs: Record<O, Float64Array>,
        dOutputs: Record<O, Float64Array>,
      ) => Partial<Record<I, Float64Array>>;
    };

/** A float64 definition of the op; `before` holds the outputs' earlier values, which `update` outputs start from. */
export type Reference<S extends string, I extends string, O extends string> = (
  sizes: Sizes<S>,
  inputs: Record<I, Numbers>,
  before: Record<O, Float64Array>,
) => Record<O, Float64Array>;

/** An op as `defineOp` takes it; no part but an operand's extras may be missing. */
export interface Op<S extends string = string, I extends string = string, O extends string = string> {
  /** Kebab-case; the folder's name, or that name followed by a suffix such as `-backward`. */
  readonly name: string;
  /** The formula in one line, axes as in the legend of kernels/README.md. */
  readonly formula: string;
  /** Where the formula is from. */
  readonly source: string;
  readonly params: Record<S, 'u32' | 'f32'>;
  readonly inputs: Record<I, Operand<NoInfer<S>>>;
  readonly outputs: Record<O, Output<NoInfer<S>>>;
  /** The last one must need no optional feature and take every size; choice.ts says which one runs. */
  readonly variants: readonly Variant<NoInfer<S>>[];
  readonly reference: Reference<NoInfer<S>, NoInfer<I>, NoInfer<O>>;
  readonly gradient: Gradient<NoInfer<S>, NoInfer<I>, NoInfer<O>>;
  /** Sizes for the conformance suite; odd ones included. */
  readonly cases: readonly Sizes<NoInfer<S>>[];
  /** Absolute floor added to twice the error of plain float32 arithmetic, relative to the largest reference value. */
  readonly tolerance: { readonly floor: number; readonly why: string };
}

/** Any op, where only its description is needed and not its exact operand names. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- operand names are both consumed and produced
export type AnyOp = Op<any, any, any>;

/** Checks the parts that types cannot and returns the op unchanged. Throws RangeError on a malformed op. */
export function defineOp<S extends string, I extends string, O extends string>(op: Op<S, I, O>): Op<S, I, O> {
  const bindings = Object.keys(op.inputs).length + Object.keys(op.outputs).length;
  if (bindings > 8) throw new RangeError(`Cannot define ${op.name}: ${bindings} storage buffers, WebGPU's default is 8`);
  if (op.variants.length === 0 || op.cases.length === 0) {
    throw new RangeError(`Cannot define ${op.name}: it needs at least one variant and one case`);
  }
  return op;
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** ceil(a / b) for whole numbers. */
export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

/**
 * Workgroups for `count` of them in a row, folded into y where x would pass WebGPU's limit of 65,535 a dimension.
 * The kernel finds its index as `workgroup_id.y * num_workgroups.x + workgroup_id.x` and leaves when it is past the end.
 */
export function fold(count: number): Workgroups {
  const limit = 65_535;
  return count <= limit ? [Math.max(count, 1)] : [limit, ceilDiv(count, limit)];
}
