/**
 * Which variant of an op runs: the one named; else the one that a tuner measured to be fastest at the nearest sizes;
 * else the first of a table by class of adapter. A variant that rounds operands to f16 runs only where that is allowed.
 */

import type { AdapterProfile, Op, Requirement, Sizes, Variant } from './op.ts';

/** A tuner's finding: at these sizes this variant was the fastest. */
export interface Choice {
  readonly op: string;
  readonly sizes: Readonly<Record<string, number>>;
  readonly variant: string;
}

/** How `Kernels` chooses. */
export interface ChoiceOptions {
  /** Measured on this adapter; the table of defaults decides for ops that are not in it. */
  readonly choices?: readonly Choice[];
  /** Allows variants that round operands to f16. Sums stay f32. */
  readonly halfOperands?: boolean;
}

/** Tiles from the narrowest use to the widest, so that the first that suits is meant for the sizes. */
const TILES = ['workgroup-thin', 'workgroup-f16', 'workgroup', 'workgroup-small'];
const GPU = [...TILES, 'subgroup', 'group', 'vec4', 'vec4-run', 'tile', 'plain'];

/**
 * Variants in order of preference where nothing was measured. On software adapters subgroups are vector registers and
 * barriers are ruinous; on GPUs operands are shared through workgroup memory. A variant that is not listed comes last;
 * one that does not suit the sizes is taken by name or measurement only.
 */
const PREFERRED: Readonly<Record<AdapterProfile['class'], readonly string[]>> = {
  cpu: ['subgroup-8-held', 'subgroup-8', 'subgroup', 'group', 'vec4-run', 'vec4', 'tile', 'plain'],
  integrated: ['subgroup-matrix', 'subgroup-matrix-small', ...GPU],
  discrete: ['subgroup-matrix', 'subgroup-matrix-small', ...GPU],
  unknown: ['subgroup-8-held', 'subgroup-8', ...GPU],
};

/** The WGSL extension that a feature brings. */
const EXTENSIONS: Readonly<Record<Requirement, string>> = {
  subgroups: 'subgroups',
  'shader-f16': 'f16',
  'chromium-experimental-subgroup-matrix': 'chromium_experimental_subgroup_matrix',
};

/** The `enable` lines that a variant's code starts with. */
export function enableLines({ needs = [] }: Pick<Variant<never>, 'needs'>, profile: AdapterProfile): string {
  return needs
    .filter((need) => need !== 'subgroups' || profile.subgroupsNeedEnable)
    .map((need) => `enable ${EXTENSIONS[need]};\n`)
    .join('');
}

/** Whether a variant can run on an adapter at these sizes. */
export function canRun<S extends string>(variant: Variant<S>, profile: AdapterProfile, sizes: Sizes<S>): boolean {
  const has = (need: Requirement) =>
    // Some implementations compile subgroup built-ins without naming the feature.
    need === 'subgroups' ? profile.subgroupSize !== null : profile.features.includes(need);
  const bytes = variant.workgroupBytes?.(sizes) ?? 0;
  return (
    (variant.needs ?? []).every(has) &&
    bytes <= (profile.limits['maxComputeWorkgroupStorageSize'] ?? 16_384) &&
    (variant.supports?.(profile, sizes) ?? true)
  );
}

/** The variant that runs, or the one named. Throws RangeError when it cannot run here. */
export function selectVariant<S extends string, I extends string, O extends string>(
  op: Op<S, I, O>,
  profile: AdapterProfile,
  sizes: Sizes<S>,
  { name, choices = [], halfOperands = false }: ChoiceOptions & { readonly name?: string } = {},
): Variant<S> {
  const fitting = op.variants.filter((variant) => canRun(variant, profile, sizes));
  const allowed = fitting.filter((variant) => halfOperands || !variant.halfOperands);
  const measured = nearest(choices.filter((choice) => choice.op === op.name && allowed.some((v) => v.name === choice.variant)), sizes);
  const order = PREFERRED[profile.class];
  const rank = (variant: Variant<S>) => (order.includes(variant.name) ? order.indexOf(variant.name) : order.length);
  const suiting = allowed.filter((variant) => variant.suits?.(profile, sizes) ?? true);
  const wanted = name ?? measured?.variant ?? suiting.toSorted((a, b) => rank(a) - rank(b))[0]?.name;
  const variant = fitting.find((candidate) => candidate.name === wanted);
  if (!variant) {
    throw new RangeError(
      `Cannot run ${op.name}${name === undefined ? '' : ` as ${name}`} at ${JSON.stringify(sizes)}: ` +
        `variants that fit this adapter are ${fitting.map((v) => v.name).join(', ') || 'none'}`,
    );
  }
  return variant;
}

/** The choice measured at the sizes nearest to these: least sum over the axes of |log2 of their ratio|. */
function nearest(choices: readonly Choice[], sizes: Readonly<Record<string, number>>): Choice | undefined {
  const axes = Object.keys(sizes).filter((name) => /^[A-Z]$/.test(name));
  const distance = (choice: Choice) =>
    axes.reduce((sum, axis) => sum + Math.abs(Math.log2(((choice.sizes[axis] ?? 0) + 1) / ((sizes[axis] ?? 0) + 1))), 0);
  return choices.toSorted((a, b) => distance(a) - distance(b))[0];
}
