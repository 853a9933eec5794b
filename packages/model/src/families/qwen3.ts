/** Qwen3 (arXiv 2505.09388): queries and keys are normalised head by head before they are turned. */

import { defineFamily } from './family.ts';
import { readWindows, windowKeys, writeWindows } from './windows.ts';

export const qwen3 = defineFamily({
  name: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  defaults: { maxPositionEmbeddings: 32_768, numKeyValueHeads: 32, headDim: 128 },
  keys: windowKeys.and({ 'attention_bias?': 'boolean' }),
  neutral: { mlp_bias: [false], use_qk_norm: [true], dual_chunk_attention_config: [] },
  read: (file, refuse) => ({
    biasedProjections: file.attention_bias
      ? ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj']
      : [],
    queryKeyNorm: true,
    windows: readWindows(file, refuse),
  }),
  write: ({ biasedProjections, windows }) => ({ attention_bias: biasedProjections.length > 0, ...writeWindows(windows) }),
});
