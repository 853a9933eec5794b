/** Sliding windows as Qwen's configurations say them: a list of layer types, or the first layer that has one. */

import { type } from 'arktype';
import { size, type ConfigFile } from '../config-schema.ts';
import type { ModelConfig } from '../model-config.ts';
import type { Refuse } from './family.ts';

/** The keys that windows are said with. */
export const windowKeys = type({
  'use_sliding_window?': 'boolean',
  'sliding_window?': type(size).or('null'),
  'max_window_layers?': '0 <= number.integer <= 4096',
  'layer_types?': type('string[]').or('null'),
});

const FULL = 'full_attention';
const SLIDING = 'sliding_attention';

/** How many keys, its own included, a query of each layer sees; null for all. */
export function readWindows(file: ConfigFile & typeof windowKeys.infer, refuse: Refuse): ModelConfig['windows'] {
  const { use_sliding_window, sliding_window = 4_096, max_window_layers = 28, num_hidden_layers: L } = file;
  const window = use_sliding_window ? sliding_window : null;
  const windowFrom = window === null ? L : max_window_layers;
  const types = file.layer_types ?? Array.from({ length: L }, (_, layer) => (layer < windowFrom ? FULL : SLIDING));
  if (types.length !== L) refuse('layer_types', types, `a list of num_hidden_layers (${L})`);
  return types.map((layerType) => {
    if (layerType === FULL) return null;
    if (layerType !== SLIDING) return refuse('layer_types', layerType, `"${FULL}" or "${SLIDING}"`);
    return window ?? refuse('layer_types', layerType, `"${FULL}" where use_sliding_window is not true or sliding_window is null`);
  });
}

/** The keys that `readWindows` reads, for readers of `layer_types` and for those that came before it. */
export function writeWindows(windows: ModelConfig['windows']): Record<string, unknown> {
  const window = windows.find((own) => own !== null) ?? null;
  return {
    use_sliding_window: window !== null,
    sliding_window: window,
    max_window_layers: windows.lastIndexOf(null) + 1,
    layer_types: windows.map((own) => (own === null ? FULL : SLIDING)),
  };
}
