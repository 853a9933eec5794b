/** Sliding windows as configurations say them: a list of layer types or, in Qwen's, the first layer that has one. */

import { type } from 'arktype';
import { size, type ConfigFile } from '../config-schema.ts';
import type { ModelConfig } from '../model-config.ts';
import type { Refuse } from './family.ts';

/** The keys that Qwen says windows with. */
export const windowKeys = type({
  'use_sliding_window?': 'boolean',
  'sliding_window?': type(size).or('null'),
  'max_window_layers?': '0 <= number.integer <= 4096',
  'layer_types?': type('string[]').or('null'),
});

const FULL = 'full_attention';
const SLIDING = 'sliding_attention';

/** A layer's type by whether it has a window. */
export function layerTypesOf(sliding: readonly boolean[]): string[] {
  return sliding.map((own) => (own ? SLIDING : FULL));
}

/**
 * How many keys, its own included, a query of each of L layers sees by the types of a file; null for all. `noWindow` says
 * when there is none to have.
 */
export function windowsOf(
  types: readonly string[],
  L: number,
  window: number | null,
  noWindow: string,
  refuse: Refuse,
): ModelConfig['windows'] {
  if (types.length !== L) refuse('layer_types', types, `a list of num_hidden_layers (${L})`);
  return types.map((layerType) => {
    if (layerType === FULL) return null;
    if (layerType !== SLIDING) return refuse('layer_types', layerType, `"${FULL}" or "${SLIDING}"`);
    return window ?? refuse('layer_types', layerType, `"${FULL}" where ${noWindow}`);
  });
}

/** Windows by the keys above. */
export function readWindows(file: ConfigFile & typeof windowKeys.infer, refuse: Refuse): ModelConfig['windows'] {
  const { use_sliding_window, sliding_window = 4_096, max_window_layers = 28, num_hidden_layers: L } = file;
  const window = use_sliding_window ? sliding_window : null;
  const windowFrom = window === null ? L : max_window_layers;
  const types = file.layer_types ?? layerTypesOf(Array.from({ length: L }, (_, layer) => layer >= windowFrom));
  return windowsOf(types, L, window, 'use_sliding_window is not true or sliding_window is null', refuse);
}

/** The keys that `readWindows` reads, for readers of `layer_types` and for those that came before it. */
export function writeWindows(windows: ModelConfig['windows']): Record<string, unknown> {
  const window = windows.find((own) => own !== null) ?? null;
  return {
    use_sliding_window: window !== null,
    sliding_window: window,
    max_window_layers: windows.lastIndexOf(null) + 1,
    layer_types: layerTypesOf(windows.map((own) => own !== null)),
  };
}
