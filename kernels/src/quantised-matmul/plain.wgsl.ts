// C = A W^T + bias. One invocation computes 4 rows of one column, four weights at a time. No subgroups, no workgroup
// memory, no barriers; any size.
const code: string = /* wgsl */ `
struct Params { m: u32, n: u32, k: u32, format: u32, has_bias: u32, ldc: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let column = group.x * 64u + local;
  let row = group.y * 4u;
  if (column >= params.n) { return; }
  let first = column * groups_of(params.k);
  var sums: vec4f;
  for (var k = 0u; k < params.k; k += 4u) {
    let group_at = first + k / 64u;
    let w = weights_of(group_at, k % 64u / 4u, scale_of(group_at));
    // Rows are filled up with weights that count for nothing.
    for (var j = 0u; j < min(4u, params.k - k); j++) {
      for (var r = 0u; r < 4u; r++) { sums[r] += a[min(row + r, params.m - 1u) * params.k + k + j] * w[j]; }
    }
  }
  for (var r = 0u; r < min(4u, params.m - row); r++) {
    var value = sums[r];
    if (params.has_bias != 0u) { value += bias[column]; }
    c[(row + r) * params.ldc + column] = value;
  }
}
`;
export default code;
