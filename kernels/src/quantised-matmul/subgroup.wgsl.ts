// C = A W^T + bias. One workgroup is one subgroup of 8 lanes and computes a tile of 8 BLOCKS rows by 32 columns, four
// values of k at a time: lane l converts the weights of columns 4l..4l+3 and holds row l of each block of 8, as in the
// product of float32 (outer-product.wgsl.ts). Prelude: that of the format, BLOCKS (1 to 4). Workgroups: x over N / 32, y over M / 32.
// No barriers, no workgroup memory. N, K and ldc are multiples of 4.
const code: string = /* wgsl */ `
struct Params { m: u32, n: u32, k: u32, format: u32, has_bias: u32, ldc: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> c: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

fn store(row: u32, column: u32, sum: vec4f) {
  if (row >= params.m || column >= params.n / 4u) { return; }
  var value = sum;
  if (params.has_bias != 0u) { value += bias[column]; }
  c[row * (params.ldc / 4u) + column] = value;
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.y * 32u;
  let column = group.x * 8u + lane;
  let k4 = params.k / 4u;
  let last = params.m - 1u;
  let a0 = min(row + lane, last) * k4;
  let a1 = min(row + 8u + lane, last) * k4;
  let a2 = min(row + 16u + lane, last) * k4;
  let a3 = min(row + 24u + lane, last) * k4;
  let groups = groups_of(params.k);
  let first = min(column, params.n / 4u - 1u) * 4u * groups;
  var c0: array<vec4f, 8>;
  var c1: array<vec4f, 8>;
  var c2: array<vec4f, 8>;
  var c3: array<vec4f, 8>;
  for (var g = 0u; g < groups; g++) {
    let group_at = first + g;
    let scale0 = scale_of(group_at);
    let scale1 = scale_of(group_at + groups);
    let scale2 = scale_of(group_at + 2u * groups);
    let scale3 = scale_of(group_at + 3u * groups);
    for (var i = 0u; i < min(16u, k4 - g * 16u); i++) {
      let k = g * 16u + i;
      let block = transpose(mat4x4f(
        weights_of(group_at, i, scale0),
        weights_of(group_at + groups, i, scale1),
        weights_of(group_at + 2u * groups, i, scale2),
        weights_of(group_at + 3u * groups, i, scale3),
      ));
      multiply_rows(&c0, a[a0 + k], block);
      if (BLOCKS > 1u) { multiply_rows(&c1, a[a1 + k], block); }
      if (BLOCKS > 2u) { multiply_rows(&c2, a[a2 + k], block); }
      if (BLOCKS > 3u) { multiply_rows(&c3, a[a3 + k], block); }
    }
  }
  for (var r = 0u; r < 8u; r++) {
    store(row + r, column, c0[r]);
    if (BLOCKS > 1u) { store(row + 8u + r, column, c1[r]); }
    if (BLOCKS > 2u) { store(row + 16u + r, column, c2[r]); }
    if (BLOCKS > 3u) { store(row + 24u + r, column, c3[r]); }
  }
}
`;
export default code;
