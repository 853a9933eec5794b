// Y = X W^T + H L_e (+ bias, + Y), or with BACKWARD dX (+)= dY W + G L_e.
// One workgroup computes one tile of Y as workgroup-tile.wgsl.ts describes: the base product through workgroup memory,
// then each invocation adds the low-rank term of its own blocks of 4 rows, which lie in one adapter, from global memory:
// R is small beside the inner size, and a tile may span many adapters. The order of the sums depends on neither.
// No subgroups; any size.
const code: string = /* wgsl */ `
// The low-rank term of an invocation's blocks; the four rows of a block lie in one adapter because segments start at
// multiples of 8.
fn add_low_rank(sums: ptr<function, array<vec4f, SUMS>>, row: u32, column: u32) {
  var base: array<u32, ROW_BLOCKS>;
  for (var i = 0u; i < ROW_BLOCKS; i++) {
    base[i] = blocks[min(row + 4u * i * ROW_GROUPS, params.t - 1u) / 8u] * params.stride + params.offset;
  }
  for (var rank = 0u; rank < params.r; rank += 4u) {
    for (var i = 0u; i < ROW_BLOCKS; i++) {
      let first_row = row + 4u * i * ROW_GROUPS;
      let left = transpose(mat4x4f(
        load_projected(first_row, rank),
        load_projected(first_row + 1u, rank),
        load_projected(first_row + 2u, rank),
        load_projected(first_row + 3u, rank),
      ));
      for (var j = 0u; j < COLUMN_BLOCKS; j++) {
        let first_column = column + 4u * j * COLUMN_GROUPS;
        let right = mat4x4f(
          load_low_rank(base[i], rank, first_column),
          load_low_rank(base[i], rank + 1u, first_column),
          load_low_rank(base[i], rank + 2u, first_column),
          load_low_rank(base[i], rank + 3u, first_column),
        );
        add_product(sums, 4u * i * COLUMN_BLOCKS + j, left, right);
      }
    }
  }
}

@compute @workgroup_size(COLUMN_GROUPS, ROW_GROUPS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let row = group.y * ROWS;
  let column = group.x * COLUMNS;
  var sums: array<vec4f, SUMS>;
  for (var k = 0u; k < inner_size(); k += STEP) {
    workgroupBarrier();
    stage(row, column, k, index);
    workgroupBarrier();
    multiply(&sums, inner_size() - k, local.y, local.x);
  }
  add_low_rank(&sums, row + 4u * local.y, column + 4u * local.x);
  for (var i = 0u; i < SUMS; i++) {
    let block = local.y + i / COLUMN_BLOCKS / 4u * ROW_GROUPS;
    store(row + 4u * block + i / COLUMN_BLOCKS % 4u, column + 4u * (local.x + i % COLUMN_BLOCKS * COLUMN_GROUPS), sums[i]);
  }
}
`;
export default code;
