/** Llama 2 and 3 (arXiv 2307.09288, 2407.21783) and what shares their `model_type`, SmolLM2 among them. */

import { type } from 'arktype';
import { defineFamily } from './family.ts';

export const llama = defineFamily({
  name: 'llama',
  architecture: 'LlamaForCausalLM',
  defaults: { maxPositionEmbeddings: 2_048 },
  keys: type({ 'attention_bias?': 'boolean', 'mlp_bias?': 'boolean' }),
  neutral: {},
  read: ({ attention_bias, mlp_bias, num_hidden_layers }) => ({
    biasedProjections: [
      ...(attention_bias ? (['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj'] as const) : []),
      ...(mlp_bias ? (['mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'] as const) : []),
    ],
    queryKeyNorm: false,
    windows: Array<null>(num_hidden_layers).fill(null),
  }),
  write: ({ biasedProjections }) => ({
    attention_bias: biasedProjections.includes('self_attn.o_proj'),
    mlp_bias: biasedProjections.includes('mlp.down_proj'),
  }),
});
