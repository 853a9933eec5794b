// Reads weights as weight-format.ts and block-format.ts describe them, four at a time. A kernel binds data: array<u32> and
// scales: array<u32>. Scales and minima are decoded bit by bit: unpack2x16float may flush subnormal f16, which scales of small
// weights are.
// Prelude: LOW and HIGH, bits of a step in the low plane and in the high one, 16 and 0 for f16; SCALING: 0 one scale and
// minimum a group, else the place in SCALINGS + 1.
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
fn group_words() -> u32 { return 2u * (LOW + HIGH); }

// Scale and minimum of a group; f16 has none, and a group of blocks has several.
fn scale_of(group: u32) -> vec2f {
  if (LOW == 16u || SCALING > 0u) { return vec2f(); }
  return halves(scales[group]);
}

const TABLE = array<f32, 16>(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

// Steps 4 i .. 4 i + 3 of a group.
fn steps_of(group: u32, i: u32) -> vec4u {
  let first = group * group_words();
  let low = vec4u(data[first + i * LOW / 8u] >> (i * 4u * LOW % 32u)) >> ((vec4u(0u, 1u, 2u, 3u) * LOW) % vec4u(32u));
  let steps = low & vec4u((1u << LOW) - 1u);
  if (HIGH == 0u) { return steps; }
  let high = vec4u(data[first + 2u * LOW + i * HIGH / 8u] >> (i * 4u * HIGH % 32u)) >> (vec4u(0u, 1u, 2u, 3u) * HIGH);
  return steps | ((high & vec4u((1u << HIGH) - 1u)) << vec4u(LOW));
}

fn looked_up(steps: vec4u) -> vec4f {
  return vec4f(TABLE[steps.x], TABLE[steps.y], TABLE[steps.z], TABLE[steps.w]);
}

// A byte of a word with its sign.
fn signed_byte(word: u32, at: u32) -> f32 { return f32(extractBits(i32(word), at * 8u, 8u)); }

// Steps 4 i .. 4 i + 3 of a group of blocks as weights: 32 weights are eight of these vectors, 16 are four.
fn scaled(group: u32, i: u32, steps: vec4u) -> vec4f {
  let q = vec4f(steps);
  if (SCALING <= 2u) {
    let pair = halves(scales[2u * group + i / 8u]);
    if (SCALING == 1u) { return pair.y + pair.x * q; }
    return pair.x * looked_up(steps);
  }
  let head = halves(scales[2u * group]);
  let nested = scales[2u * group + 1u];
  if (SCALING == 3u) {
    let pair = vec2f((vec2u(nested >> (i / 8u * 16u)) >> vec2u(0u, 8u)) & vec2u(0xffu));
    return head.x * pair.x * q - head.y * pair.y;
  }
  if (SCALING == 4u) {
    let pair = vec2f((vec2u(nested >> (i / 4u * 8u)) >> vec2u(0u, 4u)) & vec2u(0xfu));
    return head.x * pair.x * q - head.y * pair.y;
  }
  if (SCALING == 5u) { return head.x * signed_byte(nested, i / 4u) * (q - f32(1u << (LOW + HIGH - 1u))); }
  return head.x * signed_byte(nested, i / 8u) * looked_up(steps);
}

// Weights 4 i .. 4 i + 3 of a group.
fn weights_of(group: u32, i: u32, scale: vec2f) -> vec4f {
  if (LOW == 16u) {
    let first = group * 32u + 2u * i;
    if (SCALING == 7u) { return bitcast<vec4f>((vec4u(data[first], data[first], data[first + 1u], data[first + 1u]) << vec4u(16u, 0u, 16u, 0u)) & vec4u(0xffff0000u)); }
    return vec4f(halves(data[first]), halves(data[first + 1u]));
  }
  let steps = steps_of(group, i);
  if (SCALING > 0u) { return scaled(group, i, steps); }
  return scale.y + scale.x * vec4f(steps);
}
`;
export default code;
