// C = A B or A B^T for rows of A that fit into private memory: one workgroup is one subgroup of 8 lanes, keeps its 32 rows
// of A in private arrays, which are read without the bounds checks of a storage buffer, and walks blocks of 32 columns.
// One array for each group of 8 rows: a joint one is slower for its index arithmetic.
// Prelude: K4 (vec4s of a row of A), TRANSPOSED (B is stored (N, K), so its blocks are turned).
// No barriers, no workgroup memory. Sums run along k, as in the tiles that load their rows. N, K, lda and ldc are
// multiples of 4.
const code: string = /* wgsl */ `
var<private> a0: array<vec4f, K4>;
var<private> a1: array<vec4f, K4>;
var<private> a2: array<vec4f, K4>;
var<private> a3: array<vec4f, K4>;

@compute @workgroup_size(8)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = group.y * 32u;
  let last = params.m - 1u;
  let lda4 = params.lda / 4u;
  let row0 = min(row + lane, last) * lda4;
  let row1 = min(row + 8u + lane, last) * lda4;
  let row2 = min(row + 16u + lane, last) * lda4;
  let row3 = min(row + 24u + lane, last) * lda4;
  let n4 = params.n / 4u;
  let k4 = params.k / 4u;
  for (var k = 0u; k < k4; k++) {
    a0[k] = a[row0 + k];
    a1[k] = a[row1 + k];
    a2[k] = a[row2 + k];
    a3[k] = a[row3 + k];
  }
  let across = select(n4, k4, TRANSPOSED);
  let along = select(4u * n4, 1u, TRANSPOSED);
  for (var first = group.x * 8u; first < n4; first += groups.x * 8u) {
    let column = first + lane;
    let inside = min(column, n4 - 1u);
    var at = select(inside, inside * 4u * k4, TRANSPOSED);
    var c0 = array<vec4f, 8>();
    var c1 = array<vec4f, 8>();
    var c2 = array<vec4f, 8>();
    var c3 = array<vec4f, 8>();
    for (var k = 0u; k < k4; k++) {
      var block = mat4x4f(b[at], b[at + across], b[at + 2u * across], b[at + 3u * across]);
      if (TRANSPOSED) { block = transpose(block); }
      multiply_held(&c0, a0[k], block);
      multiply_held(&c1, a1[k], block);
      multiply_held(&c2, a2[k], block);
      multiply_held(&c3, a3[k], block);
      at += along;
    }
    for (var r = 0u; r < 8u; r++) {
      store(row + r, column, c0[r]);
      store(row + 8u + r, column, c1[r]);
      store(row + 16u + r, column, c2[r]);
      store(row + 24u + r, column, c3[r]);
    }
  }
}
`;
export default code;
