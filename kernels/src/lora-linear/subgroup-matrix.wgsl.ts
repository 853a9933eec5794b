// The end of lora-linear's tile for matrix units, see subgroup-matrix-tile.wgsl.ts: to four neighbouring base products of
// one row the low-rank term of the row's own adapter is added in f32.
const code: string = /* wgsl */ `
fn finish(row: u32, column: u32, product: vec4f) {
  if (row >= params.t) { return; }
  let base = blocks[row / 8u] * params.stride + params.offset;
  var sum = product;
  for (var rank = 0u; rank < params.r; rank += 4u) {
    let projected = load_projected(row, rank);
    for (var i = 0u; i < 4u; i++) { sum = fma(vec4f(projected[i]), load_low_rank(base, rank + i, column), sum); }
  }
  store(row, column, sum);
}
`;
export default code;
