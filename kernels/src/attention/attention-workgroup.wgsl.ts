// One workgroup computes ROWS neighbouring queries of one head, sequence by sequence, over blocks of COLUMNS keys with an
// online softmax (FlashAttention-2, arXiv 2307.08691, algorithm 1); workgroup-tile.wgsl.ts says who holds what. The
// maximum of a row is exchanged through workgroup memory for every block, its sum only at the end.
// Workgroups: x over T / ROWS, y over H. Barriers: two for every CHUNK of a head, two for the maximum, two for every
// VALUES keys.
const code: string = /* wgsl */ `
@group(0) @binding(3) var<storage, read> bounds: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> log_sum_exp: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

fn load_row(operand: u32, row: u32, d: u32) -> vec4f {
  let t = first + row;
  if (t < rows.x || t >= rows.y || d >= D4) { return vec4f(); }
  return q[(t * params.h + head) * D4 + d];
}

fn largest(value: vec4f, local: vec2u) -> vec4f {
  weights[local.x * ROW_GROUPS + local.y] = value;
  workgroupBarrier();
  var most = vec4f(-3.0e38);
  for (var x = 0u; x < COLUMN_GROUPS; x++) { most = max(most, weights[x * ROW_GROUPS + local.y]); }
  workgroupBarrier();
  return most;
}

fn sum_of(value: vec4f, local: vec2u) -> vec4f {
  workgroupBarrier();
  weights[local.x * ROW_GROUPS + local.y] = value;
  workgroupBarrier();
  var sum = vec4f();
  for (var x = 0u; x < COLUMN_GROUPS; x++) { sum += weights[x * ROW_GROUPS + local.y]; }
  return sum;
}

@compute @workgroup_size(COLUMN_GROUPS, ROW_GROUPS)
fn main(
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  let local = id.xy;
  let last = min(group.x * ROWS + ROWS, params.t);
  first = group.x * ROWS;
  head = group.y;
  let t = first + 4u * local.y + vec4u(0u, 1u, 2u, 3u);
  for (var at = group.x * ROWS; at < last; ) {
    let tokens = sequence(at, params.t);
    let end = min(tokens.y, last);
    rows = vec2u(at, end);
    let inside = (t >= vec4u(at)) & (t < vec4u(end));
    var start: vec4u;
    for (var r = 0u; r < 4u; r++) { start[r] = first_key(tokens.x, t[r]); }
    var sums: Sums;
    for (var i = 0u; i < 4u * PARTS; i++) { sums[i] = vec4f(); }
    var most = vec4f(-3.0e38);
    var total = vec4f();
    for (var key = first_block(tokens.x, at, COLUMNS); key < end; key += COLUMNS) {
      block = key;
      var scores = products(0u, local, index);
      var own = vec4f(-3.0e38);
      for (var j = 0u; j < SCORES; j++) {
        let s = vec4u(key + local.x + j * COLUMN_GROUPS);
        let seen = inside & (s >= start) & (s <= t);
        scores[j] = params.scale * scores[j];
        own = max(own, select(vec4f(-3.0e38), scores[j], seen));
      }
      let next = max(most, largest(own, local));
      let shrink = exp(most - next);
      total *= shrink;
      for (var j = 0u; j < SCORES; j++) {
        let s = vec4u(key + local.x + j * COLUMN_GROUPS);
        let seen = inside & (s >= start) & (s <= t);
        let p = select(vec4f(), exp(scores[j] - next), seen);
        total += p;
        keep_weight(0u, j, local, p);
      }
      for (var i = 0u; i < 4u * PARTS; i++) { sums[i] *= shrink[i % 4u]; }
      add_weighted(1u, 0u, min(COLUMNS, end - key), &sums, local, index);
      most = next;
    }
    let row_total = sum_of(total, local);
    for (var r = 0u; r < 4u; r++) {
      if (!inside[r]) { continue; }
      let row = t[r] * params.h + head;
      for (var p = 0u; p < PARTS; p++) {
        let d = local.x + p * COLUMN_GROUPS;
        if (d < D4) { y[row * D4 + d] = sums[4u * p + r] / row_total[r]; }
      }
      if (local.x == 0u) { log_sum_exp[row] = most[r] + log(row_total[r]); }
    }
    at = end;
  }
}
`;
export default code;
