// What the three subgroup kernels do with a block of 8 keys or queries that lies one a lane: products with all eight in
// two halves, their weighted sum, and zeros for what is not finite. Written out: lane numbers must be constants. A shuffle
// from a constant lane takes one instruction on software adapters, a broadcast three.
const code: string = /* wgsl */ `
fn dot_low(a: vec4f, b: vec4f) -> vec4f {
  return vec4f(
    dot(a, subgroupShuffle(b, 0u)),
    dot(a, subgroupShuffle(b, 1u)),
    dot(a, subgroupShuffle(b, 2u)),
    dot(a, subgroupShuffle(b, 3u)),
  );
}

fn dot_high(a: vec4f, b: vec4f) -> vec4f {
  return vec4f(
    dot(a, subgroupShuffle(b, 4u)),
    dot(a, subgroupShuffle(b, 5u)),
    dot(a, subgroupShuffle(b, 6u)),
    dot(a, subgroupShuffle(b, 7u)),
  );
}

fn weigh(low: vec4f, high: vec4f, b: vec4f) -> vec4f {
  var sum = low.x * subgroupShuffle(b, 0u);
  sum += low.y * subgroupShuffle(b, 1u);
  sum += low.z * subgroupShuffle(b, 2u);
  sum += low.w * subgroupShuffle(b, 3u);
  sum += high.x * subgroupShuffle(b, 4u);
  sum += high.y * subgroupShuffle(b, 5u);
  sum += high.z * subgroupShuffle(b, 6u);
  sum += high.w * subgroupShuffle(b, 7u);
  return sum;
}

fn finite(b: vec4f) -> vec4f {
  return select(vec4f(), b, (bitcast<vec4u>(b) & vec4u(0x7f800000u)) != vec4u(0x7f800000u));
}
`;
export default code;
