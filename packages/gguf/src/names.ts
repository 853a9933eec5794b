/** Names of tensors in GGUF files and in Hugging Face's checkpoints, and the order of the rows of queries and keys. */

const OUTER: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
};

const INNER: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** Gemma 3 has a norm on either side of both halves of a block. */
const INNER_GEMMA: Readonly<Record<string, string>> = {
  ...INNER,
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
};

function innerNames(architecture: string): Readonly<Record<string, string>> {
  return architecture === 'gemma3' ? INNER_GEMMA : INNER;
}

/** The name of a tensor in a Hugging Face checkpoint; null where that has none. */
export function huggingFaceName(name: string, architecture: string): string | null {
  if (Object.hasOwn(OUTER, name)) return OUTER[name];
  const [, layer, part, kind] = /^blk\.(0|[1-9]\d{0,4})\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const names = innerNames(architecture);
  if (layer === undefined || part === undefined || !Object.hasOwn(names, part)) return null;
  return `model.layers.${layer}.${names[part]}.${kind}`;
}

/** The name in a GGUF file of a tensor of a Hugging Face checkpoint; null where that has none. */
export function ggufName(name: string, architecture: string): string | null {
  const outer = Object.entries(OUTER).find(([, own]) => own === name);
  if (outer) return outer[0];
  const [, layer, part, kind] = /^model\.layers\.(\d+)\.([\w.]+)\.(weight|bias)$/.exec(name) ?? [];
  const inner = Object.entries(innerNames(architecture)).findLast(([, own]) => own === part);
  return layer === undefined || !inner ? null : `blk.${layer}.${inner[0]}.${kind}`;
}

/**
 * Where the rows of a head of queries or keys lie: row `2 i + p` of the file is row `p D/2 + i` of the checkpoint. The
 * files of arch `llama` pair neighbours where Hugging Face pairs halves (`permute` in llama.cpp's conversion).
 */
export function isPermuted(name: string, architecture: string): boolean {
  return architecture === 'llama' && /^blk\.\d+\.attn_[qk]\.(weight|bias)$/.test(name);
}

/** The row of a file that is row `row` of a checkpoint, heads having `headDim` rows each. */
export function permutedRow(row: number, headDim: number): number {
  const within = row % headDim;
  const half = headDim / 2;
  return row - within + 2 * (within % half) + (within < half ? 0 : 1);
}
