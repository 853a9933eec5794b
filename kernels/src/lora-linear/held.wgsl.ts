// The fused tiles for inner sizes that fit into private memory: one workgroup is one subgroup of 8 lanes, keeps its 32
// rows of X and H in private arrays and walks blocks of 32 columns. A private array is read without the bounds checks of
// a storage buffer. One array for each group of 8 rows: a joint one is slower for its index arithmetic.
// Prelude: INNER4 and RANK4 (vec4s of a row of X and of H, at least 1), WIDTH_FIRST (W is stored (out, in), so its blocks
// are turned).
// The rows of a group of 8 belong to one adapter. Sums run along k, then along the ranks, as in the register tile.
// No barriers, no workgroup memory. K, N, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
var<private> x0: array<vec4f, INNER4>;
var<private> x1: array<vec4f, INNER4>;
var<private> x2: array<vec4f, INNER4>;
var<private> x3: array<vec4f, INNER4>;
var<private> h0: array<vec4f, RANK4>;
var<private> h1: array<vec4f, RANK4>;
var<private> h2: array<vec4f, RANK4>;
var<private> h3: array<vec4f, RANK4>;

// Four ranks of an adapter at one vec4 of columns.
fn low_rank_block(adapter: u32, rank: u32, column: u32, n4: u32) -> mat4x4f {
  let at = (adapter * params.stride + params.offset) / 4u + rank * 4u * n4 + column;
  return mat4x4f(arena[at], arena[at + n4], arena[at + 2u * n4], arena[at + 3u * n4]);
}

@compute @workgroup_size(8)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = group.y * 32u;
  let last = params.t - 1u;
  let row0 = min(row + lane, last);
  let row1 = min(row + 8u + lane, last);
  let row2 = min(row + 16u + lane, last);
  let row3 = min(row + 24u + lane, last);
  let inner4 = select(params.n, params.k, WIDTH_FIRST) / 4u;
  let n4 = select(params.k, params.n, WIDTH_FIRST) / 4u;
  let r4 = params.r / 4u;
  for (var k = 0u; k < inner4; k++) {
    x0[k] = x[row0 * inner4 + k];
    x1[k] = x[row1 * inner4 + k];
    x2[k] = x[row2 * inner4 + k];
    x3[k] = x[row3 * inner4 + k];
  }
  for (var k = 0u; k < r4; k++) {
    h0[k] = h[row0 * r4 + k];
    h1[k] = h[row1 * r4 + k];
    h2[k] = h[row2 * r4 + k];
    h3[k] = h[row3 * r4 + k];
  }
  let e0 = blocks[row / 8u];
  let e1 = blocks[min(row + 8u, last) / 8u];
  let e2 = blocks[min(row + 16u, last) / 8u];
  let e3 = blocks[min(row + 24u, last) / 8u];
  for (var first = group.x * 8u; first < n4; first += groups.x * 8u) {
    let column = first + lane;
    let inside = min(column, n4 - 1u);
    let across = select(n4, inner4, WIDTH_FIRST);
    let along = select(4u * n4, 1u, WIDTH_FIRST);
    var at = select(inside, inside * 4u * inner4, WIDTH_FIRST);
    var c0 = array<vec4f, 8>();
    var c1 = array<vec4f, 8>();
    var c2 = array<vec4f, 8>();
    var c3 = array<vec4f, 8>();
    for (var k = 0u; k < inner4; k++) {
      var block = mat4x4f(w[at], w[at + across], w[at + 2u * across], w[at + 3u * across]);
      if (WIDTH_FIRST) { block = transpose(block); }
      multiply_held(&c0, x0[k], block);
      multiply_held(&c1, x1[k], block);
      multiply_held(&c2, x2[k], block);
      multiply_held(&c3, x3[k], block);
      at += along;
    }
    if (e1 == e0 && e2 == e0 && e3 == e0) {
      for (var k = 0u; k < r4; k++) {
        let block = low_rank_block(e0, k, inside, n4);
        multiply_held(&c0, h0[k], block);
        multiply_held(&c1, h1[k], block);
        multiply_held(&c2, h2[k], block);
        multiply_held(&c3, h3[k], block);
      }
    } else {
      for (var k = 0u; k < r4; k++) {
        multiply_held(&c0, h0[k], low_rank_block(e0, k, inside, n4));
        multiply_held(&c1, h1[k], low_rank_block(e1, k, inside, n4));
        multiply_held(&c2, h2[k], low_rank_block(e2, k, inside, n4));
        multiply_held(&c3, h3[k], low_rank_block(e3, k, inside, n4));
      }
    }
    store_rows(&c0, row, column, n4);
    store_rows(&c1, row + 8u, column, n4);
    store_rows(&c2, row + 16u, column, n4);
    store_rows(&c3, row + 24u, column, n4);
  }
}
`;
export default code;
