// C = A B in any layout (+ bias). One invocation computes 4 rows by 8 columns in registers, a workgroup is 8 x 8
// invocations. Strides are chosen by LAYOUT, rows of A are lda apart as it is stored, those of C ldc; no subgroups, no workgroup memory, no barriers; any size.
const code: string = /* wgsl */ `
// 0: A (M, K), B (K, N); 1: A (M, K), B (N, K); 2: A (K, M), B (K, N).
override LAYOUT: u32;

struct Params { m: u32, n: u32, k: u32, accumulate: u32, has_bias: u32, lda: u32, ldc: u32 }

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y * 4u;
  let column = id.x * 8u;
  let a_row = select(params.lda, 1u, LAYOUT == 2u);
  let a_k = select(1u, params.lda, LAYOUT == 2u);
  let b_k = select(params.n, 1u, LAYOUT == 1u);
  let b_column = select(1u, params.k, LAYOUT == 1u);
  var sums: array<f32, 32>;
  for (var k = 0u; k < params.k; k++) {
    var right: array<f32, 8>;
    for (var j = 0u; j < 8u; j++) {
      right[j] = b[k * b_k + min(column + j, params.n - 1u) * b_column];
    }
    for (var i = 0u; i < 4u; i++) {
      let left = a[min(row + i, params.m - 1u) * a_row + k * a_k];
      for (var j = 0u; j < 8u; j++) { sums[i * 8u + j] += left * right[j]; }
    }
  }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 8u; j++) {
      if (row + i >= params.m || column + j >= params.n) { continue; }
      let at = (row + i) * params.ldc + column + j;
      var value = sums[i * 8u + j];
      if (params.has_bias != 0u) { value += bias[column + j]; }
      if (params.accumulate != 0u) { value += c[at]; }
      c[at] = value;
    }
  }
}
`;
export default code;
