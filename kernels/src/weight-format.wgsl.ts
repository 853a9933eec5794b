// Reads weights as weight-format.ts writes them, four at a time. A kernel binds data: array<u32> and scales: array<u32>.
// Scales and minima are decoded bit by bit: unpack2x16float may flush subnormal f16, which scales of small weights are.
// Prelude: FORMAT (0 f16, 1 int8, 2 int4).
const code: string = /* wgsl */ `
// Both f16 of a word, exactly: a subnormal one takes the exponent above it, whose leading one is subtracted again.
fn halves(word: u32) -> vec2f {
  let half = vec2u(word, word >> 16u);
  let magnitude = (half & vec2u(0x7fffu)) << vec2u(13u);
  let subnormal = magnitude < vec2u(0x00800000u);
  let raised = bitcast<vec2f>(magnitude + select(vec2u(0x38000000u), vec2u(0x38800000u), subnormal));
  let exact = raised - select(vec2f(), vec2f(0x1p-14), subnormal);
  return bitcast<vec2f>(bitcast<vec2u>(exact) | ((half & vec2u(0x8000u)) << vec2u(16u)));
}

fn groups_of(k: u32) -> u32 { return (k + 63u) / 64u; }

// u32 of a group's weights.
fn group_words() -> u32 { return 32u >> FORMAT; }

// Scale and minimum of a group; f16 has none.
fn scale_of(group: u32) -> vec2f {
  if (FORMAT == 0u) { return vec2f(); }
  return halves(scales[group]);
}

// Weights 4 i .. 4 i + 3 of a group.
fn weights_of(group: u32, i: u32, scale: vec2f) -> vec4f {
  let first = group * group_words();
  if (FORMAT == 0u) { return vec4f(halves(data[first + 2u * i]), halves(data[first + 2u * i + 1u])); }
  if (FORMAT == 1u) {
    let steps = (vec4u(data[first + i]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(0xffu);
    return scale.y + scale.x * vec4f(steps);
  }
  let steps = (vec4u(data[first + i / 2u] >> (i % 2u * 16u)) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(0xfu);
  return scale.y + scale.x * vec4f(steps);
}
`;
export default code;
