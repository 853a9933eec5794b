// A product tile for matrix units, shared by matmul and lora-linear (feature chromium-experimental-subgroup-matrix, with
// the layout as a template argument). This code has been compiled by Dawn and has not run: no device of this project
// has had matrix units yet.
// One workgroup is SUBGROUPS subgroups of WIDTH lanes and computes ROWS x COLUMNS sums, STEP values of k at a time: all
// lanes stage both operands as Staged, then each subgroup multiplies matrices of MATRIX_M x MATRIX_K by MATRIX_K x MATRIX_N
// for its own part of the tile, SUB_ROWS x SUB_COLUMNS of it. Sums are f32.
// The op gives load_left(row, k) and load_right(column, k) as for workgroup-tile.wgsl.ts. Prelude:
// subgroup-matrix-tile.ts. Two barriers a step, two for every matrix of results.
const code: string = /* wgsl */ `
alias Left = subgroup_matrix_left<Staged, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<Staged, MATRIX_N, MATRIX_K>;
alias Result = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

var<workgroup> left_tile: array<Staged, LEFT_LENGTH>;
var<workgroup> right_tile: array<Staged, RIGHT_LENGTH>;
var<workgroup> results: array<f32, SUBGROUPS * MATRIX_M * MATRIX_N>;

fn stage(row: u32, column: u32, k: u32, local: u32) {
  for (var i = local; i < ROWS * STEP / 4u; i += WIDTH * SUBGROUPS) {
    if (LEFT_ALONG_K) {
      let r = i / (STEP / 4u);
      let step = 4u * (i % (STEP / 4u));
      let value = load_left(row + r, k + step);
      for (var j = 0u; j < 4u; j++) { left_tile[r * LEFT_STRIDE + step + j] = Staged(value[j]); }
    } else {
      let step = i / (ROWS / 4u);
      let r = 4u * (i % (ROWS / 4u));
      let value = load_left(row + r, k + step);
      for (var j = 0u; j < 4u; j++) { left_tile[step * LEFT_STRIDE + r + j] = Staged(value[j]); }
    }
  }
  for (var i = local; i < COLUMNS * STEP / 4u; i += WIDTH * SUBGROUPS) {
    if (RIGHT_ALONG_K) {
      let c = i / (STEP / 4u);
      let step = 4u * (i % (STEP / 4u));
      let value = load_right(column + c, k + step);
      for (var j = 0u; j < 4u; j++) { right_tile[c * RIGHT_STRIDE + step + j] = Staged(value[j]); }
    } else {
      let step = i / (COLUMNS / 4u);
      let c = 4u * (i % (COLUMNS / 4u));
      let value = load_right(column + c, k + step);
      for (var j = 0u; j < 4u; j++) { right_tile[step * RIGHT_STRIDE + c + j] = Staged(value[j]); }
    }
  }
}

fn left_matrix(row: u32, k: u32) -> Left {
  if (LEFT_ALONG_K) { return subgroupMatrixLoad<Left, row_major>(&left_tile, row * LEFT_STRIDE + k, LEFT_STRIDE); }
  return subgroupMatrixLoad<Left, col_major>(&left_tile, k * LEFT_STRIDE + row, LEFT_STRIDE);
}

fn right_matrix(column: u32, k: u32) -> Right {
  if (RIGHT_ALONG_K) { return subgroupMatrixLoad<Right, col_major>(&right_tile, column * RIGHT_STRIDE + k, RIGHT_STRIDE); }
  return subgroupMatrixLoad<Right, row_major>(&right_tile, k * RIGHT_STRIDE + column, RIGHT_STRIDE);
}

@compute @workgroup_size(WIDTH, SUBGROUPS)
fn main(
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(local_invocation_index) index: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let row = group.y * ROWS;
  let column = group.x * COLUMNS;
  let own_row = subgroup / (COLUMNS / SUB_COLUMNS) * SUB_ROWS;
  let own_column = subgroup % (COLUMNS / SUB_COLUMNS) * SUB_COLUMNS;
  var sums: array<Result, SUB_ROWS / MATRIX_M * (SUB_COLUMNS / MATRIX_N)>;
  for (var k = 0u; k < inner_size(); k += STEP) {
    workgroupBarrier();
    stage(row, column, k, index);
    workgroupBarrier();
    for (var step = 0u; step < STEP; step += MATRIX_K) {
      for (var i = 0u; i < SUB_ROWS / MATRIX_M; i++) {
        let left = left_matrix(own_row + i * MATRIX_M, step);
        for (var j = 0u; j < SUB_COLUMNS / MATRIX_N; j++) {
          let at = i * (SUB_COLUMNS / MATRIX_N) + j;
          sums[at] = subgroupMatrixMultiplyAccumulate(left, right_matrix(own_column + j * MATRIX_N, step), sums[at]);
        }
      }
    }
  }
  let own = subgroup * MATRIX_M * MATRIX_N;
  for (var at = 0u; at < SUB_ROWS / MATRIX_M * (SUB_COLUMNS / MATRIX_N); at++) {
    workgroupBarrier();
    subgroupMatrixStore<row_major>(&results, own, sums[at], MATRIX_N);
    workgroupBarrier();
    let first_row = row + own_row + at / (SUB_COLUMNS / MATRIX_N) * MATRIX_M;
    let first_column = column + own_column + at % (SUB_COLUMNS / MATRIX_N) * MATRIX_N;
    for (var i = lane; i < MATRIX_M * MATRIX_N / 4u; i += WIDTH) {
      let from_result = own + 4u * i;
      let sum = vec4f(results[from_result], results[from_result + 1u], results[from_result + 2u], results[from_result + 3u]);
      finish(first_row + 4u * i / MATRIX_N, first_column + 4u * i % MATRIX_N, sum);
    }
  }
}
`;
export default code;
