/** Qwen2 and Qwen2.5 (arXiv 2407.10671, 2412.15115): queries, keys and values have a bias, late layers may have a window. */

import { defineFamily } from './family.ts';
import { readWindows, windowKeys, writeWindows } from './windows.ts';

export const qwen2 = defineFamily({
  name: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  defaults: { maxPositionEmbeddings: 32_768, numKeyValueHeads: 32 },
  // There is no key for the bias: attention_bias means nothing to this family.
  keys: windowKeys,
  neutral: { mlp_bias: [false], dual_chunk_attention_config: [] },
  read: (file, refuse) => ({
    biasedProjections: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
    queryKeyNorm: false,
    windows: readWindows(file, refuse),
  }),
  write: ({ windows }) => writeWindows(windows),
});
