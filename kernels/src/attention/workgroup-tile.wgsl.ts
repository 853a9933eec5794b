// What the three attention kernels of the family `workgroup` share: one workgroup owns ROWS = 4 ROW_GROUPS tokens of one
// head and meets COLUMNS tokens at a time; an invocation (x, y) holds rows 4 y .. 4 y + 3, for the scores with the
// columns x + j COLUMN_GROUPS, for the sums over columns with the vec4s x + p COLUMN_GROUPS of a head.
// A kernel gives load_row(operand, row, d) and load_column(operand, column, d), one vec4 of a head, zeros beyond the ends.
// A tile works through its sequences one after another, with the columns of one sequence alone: what is not finite in
// one cannot reach another. Columns are counted from the sequence's own start, so that its bits do not depend on where
// in the pack it lies.
// Prelude (index.ts): D4 (vec4s of a head), ROW_GROUPS, COLUMN_GROUPS, INVOCATIONS, ROWS, COLUMNS, SCORES (columns of an
// invocation), PARTS (vec4s of an invocation), VALUES (columns staged whole), CHUNK (vec4s of a head staged at once),
// STAGED and WEIGHTS (vec4s of workgroup memory). At most 16 KiB; D any multiple of 4 up to 256.
const code: string = /* wgsl */ `
alias Scores = array<vec4f, SCORES>;
alias Sums = array<vec4f, 4u * PARTS>;

var<workgroup> staged: array<vec4f, STAGED>;
var<workgroup> weights: array<vec4f, WEIGHTS>;

// Products of the invocation's four rows with each of its columns. Two barriers a chunk.
fn products(operand: u32, local: vec2u, index: u32) -> Scores {
  var scores: Scores;
  for (var d = 0u; d < params.d / 4u; d += CHUNK) {
    workgroupBarrier();
    for (var i = index; i < ROWS * CHUNK; i += INVOCATIONS) {
      staged[i % CHUNK * (ROWS + 1u) + i / CHUNK] = load_row(operand, i / CHUNK, d + i % CHUNK);
    }
    for (var i = index; i < COLUMNS * CHUNK; i += INVOCATIONS) {
      staged[CHUNK * (ROWS + 1u) + i % CHUNK * (COLUMNS + 1u) + i / CHUNK] = load_column(operand, i / CHUNK, d + i % CHUNK);
    }
    workgroupBarrier();
    for (var c = 0u; c < CHUNK; c++) {
      let at = c * (ROWS + 1u) + 4u * local.y;
      let rows = transpose(mat4x4f(staged[at], staged[at + 1u], staged[at + 2u], staged[at + 3u]));
      for (var j = 0u; j < SCORES; j++) {
        let column = staged[CHUNK * (ROWS + 1u) + c * (COLUMNS + 1u) + local.x + j * COLUMN_GROUPS];
        var sum = fma(rows[0], vec4f(column.x), scores[j]);
        sum = fma(rows[1], vec4f(column.y), sum);
        sum = fma(rows[2], vec4f(column.z), sum);
        scores[j] = fma(rows[3], vec4f(column.w), sum);
      }
    }
  }
  return scores;
}

// Keeps the weight of the invocation's rows for its column j where all of them find it, behind first.
fn keep_weight(first: u32, j: u32, local: vec2u, weight: vec4f) {
  weights[first + (local.x + j * COLUMN_GROUPS) * ROW_GROUPS + local.y] = weight;
}

// sums += the kept weights of the given number of columns times their vec4s. Two barriers for VALUES columns.
fn add_weighted(operand: u32, first: u32, columns: u32, sums: ptr<function, Sums>, local: vec2u, index: u32) {
  for (var from_column = 0u; from_column < columns; from_column += VALUES) {
    workgroupBarrier();
    for (var i = index; i < min(VALUES, columns - from_column) * D4; i += INVOCATIONS) {
      staged[i] = load_column(operand, from_column + i / D4, i % D4);
    }
    workgroupBarrier();
    for (var c = 0u; c < min(VALUES, columns - from_column); c++) {
      let weight = weights[first + (from_column + c) * ROW_GROUPS + local.y];
      for (var p = 0u; p < PARTS; p++) {
        let value = staged[c * D4 + min(local.x + p * COLUMN_GROUPS, D4 - 1u)];
        for (var r = 0u; r < 4u; r++) { (*sums)[4u * p + r] = fma(vec4f(weight[r]), value, (*sums)[4u * p + r]); }
      }
    }
  }
}

// The first and one past the last token of the sequence of token t, which is in it whatever the table says.
fn sequence(t: u32, length: u32) -> vec2u {
  let bound = bounds[t];
  return vec2u(min(bound.x, t), min(max(bound.y, t + 1u), length));
}
`;
export default code;
