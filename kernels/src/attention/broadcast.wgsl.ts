// What the three subgroup kernels do with a block of 8 keys or queries that lies one a lane: products with all eight in
// two halves, their weighted sum, and zeros for what is not finite. Written out: lane numbers must be constants.
const code: string = /* wgsl */ `
fn dot_low(a: vec4f, b: vec4f) -> vec4f {
  return vec4f(
    dot(a, subgroupBroadcast(b, 0u)),
    dot(a, subgroupBroadcast(b, 1u)),
    dot(a, subgroupBroadcast(b, 2u)),
    dot(a, subgroupBroadcast(b, 3u)),
  );
}

fn dot_high(a: vec4f, b: vec4f) -> vec4f {
  return vec4f(
    dot(a, subgroupBroadcast(b, 4u)),
    dot(a, subgroupBroadcast(b, 5u)),
    dot(a, subgroupBroadcast(b, 6u)),
    dot(a, subgroupBroadcast(b, 7u)),
  );
}

fn weigh(low: vec4f, high: vec4f, b: vec4f) -> vec4f {
  var sum = low.x * subgroupBroadcast(b, 0u);
  sum += low.y * subgroupBroadcast(b, 1u);
  sum += low.z * subgroupBroadcast(b, 2u);
  sum += low.w * subgroupBroadcast(b, 3u);
  sum += high.x * subgroupBroadcast(b, 4u);
  sum += high.y * subgroupBroadcast(b, 5u);
  sum += high.z * subgroupBroadcast(b, 6u);
  sum += high.w * subgroupBroadcast(b, 7u);
  return sum;
}

fn finite(b: vec4f) -> vec4f {
  return select(vec4f(), b, (bitcast<vec4u>(b) & vec4u(0x7f800000u)) != vec4u(0x7f800000u));
}
`;
export default code;
