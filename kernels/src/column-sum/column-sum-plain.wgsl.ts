// One invocation adds up one column in order. No workgroup memory, no barriers.
const code: string = /* wgsl */ `
struct Params { t: u32, n: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= params.n) { return; }
  var sum = 0.0;
  for (var t = 0u; t < params.t; t++) { sum += x[t * params.n + column]; }
  if (params.accumulate != 0u) { sum += sums[column]; }
  sums[column] = sum;
}
`;
export default code;
