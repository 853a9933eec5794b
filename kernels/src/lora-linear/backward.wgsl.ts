// dX (+)= dY W + G A_e: the operands x, h and y of the fused bindings are dY, G and dX; their widths are N, R and K.
// No barriers, no workgroup memory. K, N, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.y * 32u;
  let column = group.x * 8u + lane;
  let k4 = params.k / 4u;
  let n4 = params.n / 4u;
  let last = params.t - 1u;
  let x0 = min(row + lane, last) * n4;
  let x1 = min(row + 8u + lane, last) * n4;
  let x2 = min(row + 16u + lane, last) * n4;
  let x3 = min(row + 24u + lane, last) * n4;
  var at = min(column, k4 - 1u);
  var c0: array<vec4f, 8>;
  var c1: array<vec4f, 8>;
  var c2: array<vec4f, 8>;
  var c3: array<vec4f, 8>;
  for (var n = 0u; n < n4; n++) {
    let block = mat4x4f(w[at], w[at + k4], w[at + 2u * k4], w[at + 3u * k4]);
    let rows0 = x[x0 + n];
    let rows1 = x[x1 + n];
    let rows2 = x[x2 + n];
    let rows3 = x[x3 + n];
    multiply_rows(&c0, rows0, block);
    if (BLOCKS > 1u) { multiply_rows(&c1, rows1, block); }
    if (BLOCKS > 2u) { multiply_rows(&c2, rows2, block); }
    if (BLOCKS > 3u) { multiply_rows(&c3, rows3, block); }
    at += 4u * k4;
  }
  finish_tile(&c0, &c1, &c2, &c3, row, lane, column, k4);
}
`;
export default code;
