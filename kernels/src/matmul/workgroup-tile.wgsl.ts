// A product tile in workgroup memory and registers, shared by every op of the family `workgroup`.
// One workgroup computes ROWS x COLUMNS sums, STEP values of k at a time: all invocations stage both operands, then each
// multiplies its own blocks of 4 rows by 4 columns, ROW_BLOCKS by COLUMN_BLOCKS of them, block i of an invocation being
// block y + i ROW_GROUPS of the tile. Values of k are taken in order, one fma each, so a sum has the same bits in
// every tile shape.
// The op gives `load_left(row, k)` and `load_right(column, k)`: four neighbouring values, along k or along the rows or
// columns as LEFT_ALONG_K and RIGHT_ALONG_K say, zeros beyond the ends. Row r staged along k lies at
// r % 4 * (ROWS / 4) + r / 4, so that neighbouring invocations read neighbouring vec4s; one vec4 of padding a line.
// Prelude: workgroup-tile.ts, which also counts the bytes. Two barriers a step, placed by the caller:
// barrier, stage, barrier, multiply. At most 256 invocations.
const code: string = /* wgsl */ `
var<workgroup> left_tile: array<Staged, LEFT_LENGTH>;
var<workgroup> right_tile: array<Staged, RIGHT_LENGTH>;

fn stage(row: u32, column: u32, k: u32, local: u32) {
  for (var i = local; i < ROWS * STEP / 4u; i += INVOCATIONS) {
    if (LEFT_ALONG_K) {
      let step = i % (STEP / 4u);
      let r = i / (STEP / 4u);
      left_tile[step * LEFT_STRIDE + r % 4u * (ROWS / 4u) + r / 4u] = Staged(load_left(row + r, k + 4u * step));
    } else {
      let step = i / (ROWS / 4u);
      let r = i % (ROWS / 4u);
      left_tile[step * LEFT_STRIDE + r] = Staged(load_left(row + 4u * r, k + step));
    }
  }
  for (var i = local; i < COLUMNS * STEP / 4u; i += INVOCATIONS) {
    if (RIGHT_ALONG_K) {
      let step = i % (STEP / 4u);
      let c = i / (STEP / 4u);
      right_tile[step * RIGHT_STRIDE + c % 4u * (COLUMNS / 4u) + c / 4u] = Staged(load_right(column + c, k + 4u * step));
    } else {
      let step = i / (COLUMNS / 4u);
      let c = i % (COLUMNS / 4u);
      right_tile[step * RIGHT_STRIDE + c] = Staged(load_right(column + 4u * c, k + step));
    }
  }
}

// Four rows at four values of k: column j holds the rows at k = 4 step + j.
fn left_block(step: u32, block: u32) -> mat4x4f {
  if (LEFT_ALONG_K) {
    let at = step * LEFT_STRIDE + block;
    return transpose(mat4x4f(
      vec4f(left_tile[at]),
      vec4f(left_tile[at + ROWS / 4u]),
      vec4f(left_tile[at + ROWS / 2u]),
      vec4f(left_tile[at + ROWS / 4u * 3u]),
    ));
  }
  let at = 4u * step * LEFT_STRIDE + block;
  return mat4x4f(
    vec4f(left_tile[at]),
    vec4f(left_tile[at + LEFT_STRIDE]),
    vec4f(left_tile[at + 2u * LEFT_STRIDE]),
    vec4f(left_tile[at + 3u * LEFT_STRIDE]),
  );
}

// Four columns at four values of k, likewise.
fn right_block(step: u32, block: u32) -> mat4x4f {
  if (RIGHT_ALONG_K) {
    let at = step * RIGHT_STRIDE + block;
    return transpose(mat4x4f(
      vec4f(right_tile[at]),
      vec4f(right_tile[at + COLUMNS / 4u]),
      vec4f(right_tile[at + COLUMNS / 2u]),
      vec4f(right_tile[at + COLUMNS / 4u * 3u]),
    ));
  }
  let at = 4u * step * RIGHT_STRIDE + block;
  return mat4x4f(
    vec4f(right_tile[at]),
    vec4f(right_tile[at + RIGHT_STRIDE]),
    vec4f(right_tile[at + 2u * RIGHT_STRIDE]),
    vec4f(right_tile[at + 3u * RIGHT_STRIDE]),
  );
}

// Adds the products at the first of the staged values of k; rest is how many there are from the first on to the end.
// Row r of row block i and column block j is sums[(4 i + r) * COLUMN_BLOCKS + j].
fn multiply(sums: ptr<function, array<vec4f, SUMS>>, rest: u32, y: u32, x: u32) {
  for (var step = 0u; step < (min(rest, STEP) + 3u) / 4u; step++) {
    var right: array<mat4x4f, COLUMN_BLOCKS>;
    for (var j = 0u; j < COLUMN_BLOCKS; j++) { right[j] = right_block(step, x + j * COLUMN_GROUPS); }
    for (var i = 0u; i < ROW_BLOCKS; i++) {
      let left = left_block(step, y + i * ROW_GROUPS);
      for (var j = 0u; j < COLUMN_BLOCKS; j++) { add_product(sums, 4u * i * COLUMN_BLOCKS + j, left, right[j]); }
    }
  }
}

// Four rows by four columns at four values of k, onto the sums at, at + COLUMN_BLOCKS, ...
fn add_product(sums: ptr<function, array<vec4f, SUMS>>, at: u32, left: mat4x4f, right: mat4x4f) {
  for (var r = 0u; r < 4u; r++) {
    var sum = (*sums)[at + r * COLUMN_BLOCKS];
    sum = fma(vec4f(left[0][r]), right[0], sum);
    sum = fma(vec4f(left[1][r]), right[1], sum);
    sum = fma(vec4f(left[2][r]), right[2], sum);
    sum = fma(vec4f(left[3][r]), right[3], sum);
    (*sums)[at + r * COLUMN_BLOCKS] = sum;
  }
}
`;
export default code;
