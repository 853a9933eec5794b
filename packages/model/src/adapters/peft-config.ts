/**
 * `adapter_config.json` as PEFT writes it, and which modules of a model it adapts.
 *
 * Keys that change what is computed are followed or refused by name; keys of training alone are ignored.
 */

import { problemsOf, quoted } from '@seal/files';
import { type } from 'arktype';
import { type ModelConfig, PROJECTIONS } from '../model-config.ts';
import { moduleName, type AdaptedModule, type LoraConfig, type ModuleScale } from './lora.ts';
import { modulePattern } from './module-pattern.ts';

/** What an adapter's configuration says about a model. */
export interface AdapterConfig {
  /** Its targets are all projections that are adapted in some layer; its rank is the largest of the modules. */
  readonly lora: LoraConfig;
  /** In order of layers and, within one, of the forward pass. */
  readonly modules: readonly AdaptedModule[];
  /** The model that it was trained on, as the file has it. */
  readonly baseModel: string | null;
  /** What is odd but does no harm. */
  readonly notes: readonly string[];
}

const names = 'string | string[] | null';
const rankSchema = '1 <= number.integer <= 4096';
const pattern = (value: typeof rankSchema | 'number') =>
  type({ '[string]': value }).narrow((entries, context) => !Array.isArray(entries) || context.mustBe('a mapping')).or('null');
const fileSchema = type({
  peft_type: "'LORA'",
  r: rankSchema,
  lora_alpha: 'number',
  target_modules: 'string | string[] > 0',
  'base_model_name_or_path?': 'string | null',
  'bias?': "'none'",
  'use_rslora?': 'boolean | null',
  'exclude_modules?': names,
  'layers_to_transform?': 'number.integer | number.integer[] | null',
  'layers_pattern?': names,
  'rank_pattern?': pattern(rankSchema),
  'alpha_pattern?': pattern('number'),
  'init_lora_weights?': 'boolean | string | null',
});

/** Keys that make the update something else than B A x, with what they do. */
const REFUSED: Readonly<Record<string, string>> = {
  use_dora: 'weight decomposition',
  use_qalora: 'quantisation-aware pooling',
  use_bdlora: 'block-diagonal matrices',
  fan_in_fan_out: 'transposed weights',
  lora_bias: 'biases of B',
  modules_to_save: 'modules trained whole',
  trainable_token_indices: 'trained rows of the embedding',
  target_parameters: 'adapted parameters that are no modules',
  layer_replication: 'repeated layers',
  alora_invocation_tokens: 'adapters that begin at a token',
  arrow_config: 'routing between adapters',
  kasa_config: 'singular values of the weights',
  velora_config: 'projected activations',
  monteclora_config: 'sampled matrices',
};

/** Initialisations that leave the base weights as they are; others subtract the adapter's first state from them. */
const HARMLESS_INITIALISATIONS = ['gaussian', 'eva', 'orthogonal'];

const isSet = (value: unknown) =>
  !(value === undefined || value === null || value === false || value === '' || (typeof value === 'object' && Object.keys(value).length === 0));

/**
 * Reads a parsed `adapter_config.json` for a model. Throws SyntaxError for what is no configuration and RangeError naming
 * what is not computed.
 */
export function parseAdapterConfig(json: unknown, place: string, model: ModelConfig): AdapterConfig {
  const file = fileSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot use ${place}: ${problemsOf(file)}`);
  const refuse = (what: string): never => {
    throw new RangeError(`Cannot use ${place}: ${what}`);
  };
  for (const [key, value] of Object.entries(json as object)) {
    const means = Object.hasOwn(REFUSED, key) ? REFUSED[key] : undefined;
    if (means !== undefined && isSet(value)) refuse(`${key} is ${quoted(value)}, which is not computed (${means}); merge the adapter with PEFT and use the merged model`);
    const unknownUse = key.startsWith('use_') && key !== 'use_rslora' && means === undefined;
    if (unknownUse && isSet(value)) refuse(`${key} is ${quoted(value)}, which is not known and may change what is computed`);
  }
  const { init_lora_weights: initialisation = true } = file;
  if (typeof initialisation === 'string' && !HARMLESS_INITIALISATIONS.includes(initialisation)) {
    refuse(`init_lora_weights is ${quoted(initialisation)}, which changes the base weights; save it converted to plain LoRA with PEFT`);
  }
  if (typeof file.target_modules === 'string' && (isSet(file.layers_to_transform) || isSet(file.layers_pattern))) {
    refuse('layers_to_transform and layers_pattern go with a list of target_modules, this is an expression');
  }
  const targets = targetTest(file.target_modules, `${place}: target_modules`);
  const excluded = isSet(file.exclude_modules) ? nameTest(file.exclude_modules ?? [], `${place}: exclude_modules`) : () => false;
  const inLayers = layerTest(file.layers_to_transform, file.layers_pattern, place);
  const wanted = (name: string) => !excluded(name) && targets(name) && (inLayers(name) || listed(file.target_modules, name));

  const other = file.target_modules === 'all-linear' ? undefined : ['lm_head', 'model.embed_tokens'].find(wanted);
  if (other !== undefined) refuse(`target_modules ${quoted(file.target_modules)} adapt ${other}, supported are ${PROJECTIONS.join(', ')}`);
  const modules: AdaptedModule[] = Array.from({ length: model.numHiddenLayers }, (_, layer) =>
    PROJECTIONS.map((projection) => ({ layer, projection })).filter((module) => wanted(moduleName(module))),
  ).flat();
  if (modules.length === 0) refuse(`target_modules ${quoted(file.target_modules)} match no module of the model`);
  const { use_rslora: rankStabilised } = file;
  const ranks = patternValues(file.rank_pattern ?? {}, modules, `${place}: rank_pattern`);
  const alphas = patternValues(file.alpha_pattern ?? {}, modules, `${place}: alpha_pattern`);
  const scales = modules.map((_, i) => ({ rank: ranks.values[i] ?? file.r, alpha: alphas.values[i] ?? file.lora_alpha }));
  return {
    lora: {
      ...sharedScale(modules, scales),
      ...(rankStabilised && { rankStabilised }),
      targets: PROJECTIONS.filter((p) => modules.some(({ projection }) => projection === p)),
    },
    modules,
    baseModel: file.base_model_name_or_path ?? null,
    notes: [...unmatched(file.target_modules, modules, place), ...ranks.notes, ...alphas.notes],
  };
}

/**
 * What `rank_pattern` or `alpha_pattern` say of every module: a key is an expression for a module's name or for its end
 * behind a dot, and of several that match the first counts. Keys of no module are told.
 */
function patternValues(
  pattern: Readonly<Record<string, number>>,
  modules: readonly AdaptedModule[],
  place: string,
): { readonly values: readonly (number | undefined)[]; readonly notes: readonly string[] } {
  const entries = Object.entries(pattern).map(([key, value]) => {
    // By itself first: an alternative is one of the key, not of what stands before it.
    modulePattern(key, place);
    return { key, value, test: modulePattern(String.raw`(?:.*\.)?(?:${key})`, place) };
  });
  const found = modules.map(moduleName);
  return {
    values: found.map((name) => entries.find(({ test }) => test(name))?.value),
    notes: entries.filter(({ test }) => !found.some(test)).map(({ key }) => `${place}: ${quoted(key)} names no adapted module`),
  };
}

/** The largest rank with its alpha (of the first module that has it) as that of all modules, and the modules that differ. */
function sharedScale(modules: readonly AdaptedModule[], scales: readonly ModuleScale[]): Pick<LoraConfig, 'rank' | 'alpha' | 'ownScales'> {
  const { rank, alpha } = scales.reduce((most, scale) => (scale.rank > most.rank ? scale : most));
  const others = modules.flatMap((module, i) => {
    const own = scales[i];
    return own === undefined || (own.rank === rank && own.alpha === alpha) ? [] : [[moduleName(module), own] as const];
  });
  return { rank, alpha, ...(others.length > 0 && { ownScales: Object.fromEntries(others) }) };
}

/** PEFT's rule for lists: the module's whole name, or its end behind a dot; a string is an expression for the whole name. */
function nameTest(modules: string | readonly string[], place: string): (name: string) => boolean {
  if (typeof modules === 'string') return modulePattern(modules, place);
  return (name) => modules.some((module) => name === module || name.endsWith(`.${module}`));
}

function targetTest(modules: string | readonly string[], place: string): (name: string) => boolean {
  if (modules === 'all-linear') return (name) => name.includes('.layers.');
  return nameTest(modules, place);
}

/** A module named whole is adapted whatever the layers are. */
const listed = (modules: string | readonly string[], name: string) => typeof modules !== 'string' && modules.includes(name);

function layerTest(
  layers: number | readonly number[] | null | undefined,
  patterns: string | readonly string[] | null | undefined,
  place: string,
): (name: string) => boolean {
  if (typeof layers !== 'number' && (layers ?? []).length === 0) return () => true;
  const tests = [patterns ?? []].flat().map((pattern) => modulePattern(String.raw`(?:.*?\.)?(?:${pattern})`, `${place}: layers_pattern`));
  return (name) => {
    const [, before, layer] = /^(.*?\.[^.]*)\.(\d+)\./.exec(name) ?? [];
    if (before === undefined || (tests.length > 0 && !tests.some((test) => test(before)))) return false;
    return typeof layers === 'number' ? layers === Number(layer) : (layers ?? []).includes(Number(layer));
  };
}

/** Entries of a list that name nothing: other families' names, which PEFT passes over too. */
function unmatched(targets: string | readonly string[], modules: readonly AdaptedModule[], place: string): string[] {
  if (typeof targets === 'string') return [];
  const found = modules.map(moduleName);
  return targets
    .filter((target) => !found.some((name) => name === target || name.endsWith(`.${target}`)))
    .map((target) => `${place}: target module ${quoted(target)} names nothing in this model`);
}

/** `adapter_config.json` as PEFT reads it; `modules` where not all of the targets are adapted in all layers. */
export function adapterConfigFile(
  lora: LoraConfig,
  baseModel: string | null,
  modules?: readonly AdaptedModule[],
): Record<string, unknown> {
  const { rank, alpha, rankStabilised = false, ownScales = {}, targets } = lora;
  const pattern = (key: keyof ModuleScale) =>
    Object.fromEntries(Object.entries(ownScales).flatMap(([name, own]) => (own[key] === lora[key] ? [] : [[name, own[key]]])));
  const patterns = Object.keys(ownScales).length > 0 && { rank_pattern: pattern('rank'), alpha_pattern: pattern('alpha') };
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: baseModel,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: 'none',
    use_rslora: rankStabilised,
    fan_in_fan_out: false,
    inference_mode: true,
    ...patterns,
    target_modules: modules?.map(moduleName) ?? targets.map((target) => target.split('.').at(-1)),
  };
}
