// The two fused tiles share their bindings and their end: Y = base product + H L_e (+ bias, + Y when accumulate).
// One workgroup is one subgroup of 8 lanes and computes 8 BLOCKS rows by 32 columns, in groups of 8 rows; the rows of a
// group belong to one adapter, so each group adds its own low-rank term. Prelude: BLOCKS (1 to 4).
const code: string = /* wgsl */ `
struct Params {
  t: u32, k: u32, n: u32, r: u32, e: u32, stride: u32, offset: u32, accumulate: u32, has_bias: u32
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> h: array<vec4f>;
@group(0) @binding(3) var<storage, read> arena: array<vec4f>;
@group(0) @binding(4) var<storage, read> blocks: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(7) var<uniform> params: Params;

// c += H L_e for the 8 rows from row on, which belong to one adapter. n4 is the width of Y in vec4s.
fn add_low_rank(c: ptr<function, array<vec4f, 8>>, row: u32, lane: u32, column: u32, n4: u32) {
  let r4 = params.r / 4u;
  let last = params.t - 1u;
  let at_h = min(row + lane, last) * r4;
  var at = (blocks[min(row, last) / 8u] * params.stride + params.offset) / 4u + min(column, n4 - 1u);
  for (var k = 0u; k < r4; k++) {
    let block = mat4x4f(arena[at], arena[at + n4], arena[at + 2u * n4], arena[at + 3u * n4]);
    multiply_rows(c, h[at_h + k], block);
    at += 4u * n4;
  }
}

// The same for all rows of a tile within one adapter: L_e is loaded once. The sums have the same order.
fn add_shared_low_rank(
  c0: ptr<function, array<vec4f, 8>>,
  c1: ptr<function, array<vec4f, 8>>,
  c2: ptr<function, array<vec4f, 8>>,
  c3: ptr<function, array<vec4f, 8>>,
  row: u32,
  lane: u32,
  column: u32,
  n4: u32,
) {
  let r4 = params.r / 4u;
  let last = params.t - 1u;
  let h0 = min(row + lane, last) * r4;
  let h1 = min(row + 8u + lane, last) * r4;
  let h2 = min(row + 16u + lane, last) * r4;
  let h3 = min(row + 24u + lane, last) * r4;
  var at = (blocks[row / 8u] * params.stride + params.offset) / 4u + min(column, n4 - 1u);
  for (var k = 0u; k < r4; k++) {
    let block = mat4x4f(arena[at], arena[at + n4], arena[at + 2u * n4], arena[at + 3u * n4]);
    multiply_rows(c0, h[h0 + k], block);
    if (BLOCKS > 1u) { multiply_rows(c1, h[h1 + k], block); }
    if (BLOCKS > 2u) { multiply_rows(c2, h[h2 + k], block); }
    if (BLOCKS > 3u) { multiply_rows(c3, h[h3 + k], block); }
    at += 4u * n4;
  }
}

// Writes 8 rows, with bias and accumulation.
fn store_rows(c: ptr<function, array<vec4f, 8>>, row: u32, column: u32, n4: u32) {
  if (column >= n4) { return; }
  var added = vec4f();
  if (params.has_bias != 0u) { added = bias[column]; }
  for (var i = 0u; i < 8u; i++) {
    if (row + i >= params.t) { return; }
    var value = (*c)[i] + added;
    if (params.accumulate != 0u) { value += y[(row + i) * n4 + column]; }
    y[(row + i) * n4 + column] = value;
  }
}

// The end of a tile: the low-rank term of its groups of rows, then the store.
fn finish_tile(
  c0: ptr<function, array<vec4f, 8>>,
  c1: ptr<function, array<vec4f, 8>>,
  c2: ptr<function, array<vec4f, 8>>,
  c3: ptr<function, array<vec4f, 8>>,
  row: u32,
  lane: u32,
  column: u32,
  n4: u32,
) {
  let last = params.t - 1u;
  let adapter = blocks[row / 8u];
  let one_adapter = blocks[min(row + 8u, last) / 8u] == adapter && blocks[min(row + 16u, last) / 8u] == adapter &&
    blocks[min(row + 24u, last) / 8u] == adapter;
  if (one_adapter) {
    add_shared_low_rank(c0, c1, c2, c3, row, lane, column, n4);
  } else {
    add_low_rank(c0, row, lane, column, n4);
    if (BLOCKS > 1u) { add_low_rank(c1, row + 8u, lane, column, n4); }
    if (BLOCKS > 2u) { add_low_rank(c2, row + 16u, lane, column, n4); }
    if (BLOCKS > 3u) { add_low_rank(c3, row + 24u, lane, column, n4); }
  }
  store_rows(c0, row, column, n4);
  if (BLOCKS > 1u) { store_rows(c1, row + 8u, column, n4); }
  if (BLOCKS > 2u) { store_rows(c2, row + 16u, column, n4); }
  if (BLOCKS > 3u) { store_rows(c3, row + 24u, column, n4); }
}
`;
export default code;
