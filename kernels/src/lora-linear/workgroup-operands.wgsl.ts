// Bindings of Y = X W^T + H L_e (+ bias, + Y), or with BACKWARD of dX (+)= dY W + G L_e (x, h, y are then dY, G, dX of
// widths N, R, K), their operands four values at a time, and the store of four sums; shared by the families `workgroup`
// and `subgroup-matrix`. Where a size is not a multiple of 4 the operands are bound as single numbers.
const code: string = /* wgsl */ `
struct Params {
  t: u32, k: u32, n: u32, r: u32, e: u32, stride: u32, offset: u32, accumulate: u32, has_bias: u32
}

@group(0) @binding(0) var<storage, read> x: array<Element>;
@group(0) @binding(1) var<storage, read> w: array<Element>;
@group(0) @binding(2) var<storage, read> h: array<Element>;
@group(0) @binding(3) var<storage, read> arena: array<Element>;
@group(0) @binding(4) var<storage, read> blocks: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

fn inner_size() -> u32 { return select(params.k, params.n, BACKWARD); }
fn width() -> u32 { return select(params.n, params.k, BACKWARD); }

// The first count of four values, zeros for the others.
fn keep(value: vec4f, count: u32) -> vec4f {
  return select(vec4f(), value, vec4u(0u, 1u, 2u, 3u) < vec4u(count));
}

// A vec4f of an Element is the vec4 itself or its number four times: the same source reads both kinds of buffer.
fn load_left(row: u32, k: u32) -> vec4f {
  let inner = inner_size();
  if (row >= params.t || k >= inner) { return vec4f(); }
  let at = row * inner + k;
  if (ALIGNED) { return vec4f(x[at / 4u]); }
  return keep(vec4f(vec4f(x[at]).x, vec4f(x[at + 1u]).x, vec4f(x[at + 2u]).x, vec4f(x[at + 3u]).x), inner - k);
}

fn load_right(column: u32, k: u32) -> vec4f {
  if (column >= width() || k >= inner_size()) { return vec4f(); }
  let w_row = select(column, k, BACKWARD);
  let w_column = select(k, column, BACKWARD);
  let at = w_row * params.k + w_column;
  if (ALIGNED) { return vec4f(w[at / 4u]); }
  let count = params.k - w_column;
  return keep(vec4f(vec4f(w[at]).x, vec4f(w[at + 1u]).x, vec4f(w[at + 2u]).x, vec4f(w[at + 3u]).x), count);
}

// Four ranks of a row of H.
fn load_projected(row: u32, rank: u32) -> vec4f {
  if (row >= params.t) { return vec4f(); }
  let at = row * params.r + rank;
  if (ALIGNED) { return vec4f(h[at / 4u]); }
  let count = params.r - rank;
  return keep(vec4f(vec4f(h[at]).x, vec4f(h[at + 1u]).x, vec4f(h[at + 2u]).x, vec4f(h[at + 3u]).x), count);
}

// Four columns of a rank of the low-rank matrix that starts at base.
fn load_low_rank(base: u32, rank: u32, column: u32) -> vec4f {
  if (rank >= params.r || column >= width()) { return vec4f(); }
  let at = base + rank * width() + column;
  if (ALIGNED) { return vec4f(arena[at / 4u]); }
  let count = width() - column;
  return keep(
    vec4f(vec4f(arena[at]).x, vec4f(arena[at + 1u]).x, vec4f(arena[at + 2u]).x, vec4f(arena[at + 3u]).x), count
  );
}

fn store(row: u32, column: u32, sum: vec4f) {
  if (row >= params.t || column >= width()) { return; }
  for (var j = 0u; j < min(4u, width() - column); j++) {
    var value = sum[j];
    let at = row * width() + column + j;
    if (params.has_bias != 0u) { value += bias[column + j]; }
    if (params.accumulate != 0u) { value += y[at]; }
    y[at] = value;
  }
}
`;
export default code;
