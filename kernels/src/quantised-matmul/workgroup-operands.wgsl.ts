// Bindings of a product with quantised weights for the tile of workgroup-tile.wgsl.ts, its operands four values of k at a time,
// and the store of four sums with bias. Where a row of A is not whole vec4s it is bound as single numbers.
const code: string = /* wgsl */ `
struct Params { m: u32, n: u32, k: u32, format: u32, has_bias: u32, ldc: u32 }

@group(0) @binding(0) var<storage, read> a: array<Element>;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// The first count of four values, zeros for the others.
fn keep(value: vec4f, count: u32) -> vec4f {
  return select(vec4f(), value, vec4u(0u, 1u, 2u, 3u) < vec4u(count));
}

// A vec4f of an Element is the vec4 itself or its number four times: the same source reads both kinds of buffer.
fn load_left(row: u32, k: u32) -> vec4f {
  if (row >= params.m || k >= params.k) { return vec4f(); }
  let at = row * params.k + k;
  if (ALIGNED) { return vec4f(a[at / 4u]); }
  return keep(vec4f(vec4f(a[at]).x, vec4f(a[at + 1u]).x, vec4f(a[at + 2u]).x, vec4f(a[at + 3u]).x), params.k - k);
}

fn load_right(column: u32, k: u32) -> vec4f {
  if (column >= params.n || k >= params.k) { return vec4f(); }
  let group_at = column * groups_of(params.k) + k / 64u;
  return keep(weights_of(group_at, k % 64u / 4u, scale_of(group_at)), params.k - k);
}

fn store(row: u32, column: u32, sum: vec4f) {
  if (row >= params.m || column >= params.n) { return; }
  for (var j = 0u; j < min(4u, params.n - column); j++) {
    var value = sum[j];
    if (params.has_bias != 0u) { value += bias[column + j]; }
    c[row * params.ldc + column + j] = value;
  }
}
`;
export default code;
