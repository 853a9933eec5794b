// The end of matmul's tile for matrix units, see subgroup-matrix-tile.wgsl.ts: four neighbouring sums of one row.
const code: string = /* wgsl */ `
fn finish(row: u32, column: u32, sum: vec4f) {
  store(row, column, sum);
}
`;
export default code;
