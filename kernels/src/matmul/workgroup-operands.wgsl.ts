// Bindings of a product, its operands four values at a time as a tile stages them, and the store of four sums with bias
// and accumulation; shared by the families `workgroup` and `subgroup-matrix`.
// LAYOUT 0: A (M, K), B (K, N); 1: A (M, K), B (N, K); 2: A (K, M), B (K, N); rows of A are lda apart as it is stored,
// those of C ldc. Where a row is not whole vec4s the operands are bound as single numbers and masked one by one.
const code: string = /* wgsl */ `
struct Params { m: u32, n: u32, k: u32, accumulate: u32, has_bias: u32, lda: u32, ldc: u32 }

@group(0) @binding(0) var<storage, read> a: array<Element>;
@group(0) @binding(1) var<storage, read> b: array<Element>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn inner_size() -> u32 { return params.k; }

// The first count of four values, zeros for the others.
fn keep(value: vec4f, count: u32) -> vec4f {
  return select(vec4f(), value, vec4u(0u, 1u, 2u, 3u) < vec4u(count));
}

// A vec4f of an Element is the vec4 itself or its number four times: the same source reads both kinds of buffer.
fn load_left(row: u32, k: u32) -> vec4f {
  if (row >= params.m || k >= params.k) { return vec4f(); }
  let at = select(row * params.lda + k, k * params.lda + row, LAYOUT == 2u);
  if (ALIGNED) { return vec4f(a[at / 4u]); }
  let count = select(params.k - k, params.m - row, LAYOUT == 2u);
  return keep(vec4f(vec4f(a[at]).x, vec4f(a[at + 1u]).x, vec4f(a[at + 2u]).x, vec4f(a[at + 3u]).x), count);
}

fn load_right(column: u32, k: u32) -> vec4f {
  if (column >= params.n || k >= params.k) { return vec4f(); }
  let at = select(k * params.n + column, column * params.k + k, LAYOUT == 1u);
  if (ALIGNED) { return vec4f(b[at / 4u]); }
  let count = select(params.n - column, params.k - k, LAYOUT == 1u);
  return keep(vec4f(vec4f(b[at]).x, vec4f(b[at + 1u]).x, vec4f(b[at + 2u]).x, vec4f(b[at + 3u]).x), count);
}

fn store(row: u32, column: u32, sum: vec4f) {
  if (row >= params.m || column >= params.n) { return; }
  for (var j = 0u; j < min(4u, params.n - column); j++) {
    var value = sum[j];
    let at = row * params.ldc + column + j;
    if (params.has_bias != 0u) { value += bias[column + j]; }
    if (params.accumulate != 0u) { value += c[at]; }
    c[at] = value;
  }
}
`;
export default code;
