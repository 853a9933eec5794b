// C = A B in any layout (+ bias, + C): one workgroup computes one tile of C as workgroup-tile.wgsl.ts describes. No
// subgroups; any size.
const code: string = /* wgsl */ `
@compute @workgroup_size(COLUMN_GROUPS, ROW_GROUPS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let row = group.y * ROWS;
  let column = group.x * COLUMNS;
  var sums: array<vec4f, SUMS>;
  for (var k = 0u; k < params.k; k += STEP) {
    workgroupBarrier();
    stage(row, column, k, index);
    workgroupBarrier();
    multiply(&sums, params.k - k, local.y, local.x);
  }
  for (var i = 0u; i < SUMS; i++) {
    let block = local.y + i / COLUMN_BLOCKS / 4u * ROW_GROUPS;
    store(row + 4u * block + i / COLUMN_BLOCKS % 4u, column + 4u * (local.x + i % COLUMN_BLOCKS * COLUMN_GROUPS), sums[i]);
  }
}
`;
export default code;
