// One workgroup adds up 16 columns: 16 invocations a column take its rows in turns, and one adds their sums in order.
// Workgroup memory: 1 KiB. One barrier.
const code: string = /* wgsl */ `
struct Params { t: u32, n: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let column = group.x * 16u + local.x;
  var sum = 0.0;
  if (column < params.n) {
    for (var t = local.y; t < params.t; t += 16u) { sum += x[t * params.n + column]; }
  }
  partial[local.y * 16u + local.x] = sum;
  workgroupBarrier();
  if (local.y > 0u || column >= params.n) { return; }
  for (var i = 1u; i < 16u; i++) { sum += partial[i * 16u + local.x]; }
  if (params.accumulate != 0u) { sum += sums[column]; }
  sums[column] = sum;
}
`;
export default code;
