// Y = X W^T + H B_e (+ bias): the base product with rows of W loaded along K, then the low-rank term of each row group.
// No barriers, no workgroup memory. K, N, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.y * 32u;
  let column = group.x * 8u + lane;
  let k4 = params.k / 4u;
  let n4 = params.n / 4u;
  let last = params.t - 1u;
  let x0 = min(row + lane, last) * k4;
  let x1 = min(row + 8u + lane, last) * k4;
  let x2 = min(row + 16u + lane, last) * k4;
  let x3 = min(row + 24u + lane, last) * k4;
  let at = min(column, n4 - 1u) * 4u * k4;
  var c0: array<vec4f, 8>;
  var c1: array<vec4f, 8>;
  var c2: array<vec4f, 8>;
  var c3: array<vec4f, 8>;
  for (var k = 0u; k < k4; k++) {
    let block = transpose(mat4x4f(w[at + k], w[at + k4 + k], w[at + 2u * k4 + k], w[at + 3u * k4 + k]));
    let rows0 = x[x0 + k];
    let rows1 = x[x1 + k];
    let rows2 = x[x2 + k];
    let rows3 = x[x3 + k];
    multiply_rows(&c0, rows0, block);
    if (BLOCKS > 1u) { multiply_rows(&c1, rows1, block); }
    if (BLOCKS > 2u) { multiply_rows(&c2, rows2, block); }
    if (BLOCKS > 3u) { multiply_rows(&c3, rows3, block); }
  }
  finish_tile(&c0, &c1, &c2, &c3, row, lane, column, n4);
}
`;
export default code;
