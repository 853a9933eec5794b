// C = A B^T. One workgroup is one subgroup of 8 lanes and computes a tile of 8 BLOCKS rows by 32 columns: lane l holds
// columns 4l..4l+3 of all rows and loads rows l, l+8, l+16, l+24 of A. Prelude: BLOCKS (1 to 4). Workgroups: x over N / 32,
// y over M / 32. No barriers, no workgroup memory. N, K, lda and ldc are multiples of 4.
const code: string = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.y * 32u;
  let column = group.x * 8u + lane;
  let k4 = params.k / 4u;
  let last = params.m - 1u;
  let lda4 = params.lda / 4u;
  let a0 = min(row + lane, last) * lda4;
  let a1 = min(row + 8u + lane, last) * lda4;
  let a2 = min(row + 16u + lane, last) * lda4;
  let a3 = min(row + 24u + lane, last) * lda4;
  let at = min(column, params.n / 4u - 1u) * 4u * k4;
  var c0: array<vec4f, 8>;
  var c1: array<vec4f, 8>;
  var c2: array<vec4f, 8>;
  var c3: array<vec4f, 8>;
  for (var k = 0u; k < k4; k++) {
    let block = transpose(mat4x4f(b[at + k], b[at + k4 + k], b[at + 2u * k4 + k], b[at + 3u * k4 + k]));
    let rows0 = a[a0 + k];
    let rows1 = a[a1 + k];
    let rows2 = a[a2 + k];
    let rows3 = a[a3 + k];
    multiply_rows(&c0, rows0, block);
    if (BLOCKS > 1u) { multiply_rows(&c1, rows1, block); }
    if (BLOCKS > 2u) { multiply_rows(&c2, rows2, block); }
    if (BLOCKS > 3u) { multiply_rows(&c3, rows3, block); }
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
