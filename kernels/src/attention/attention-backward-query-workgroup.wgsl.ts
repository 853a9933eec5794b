// One workgroup computes dq of ROWS neighbouring queries of one head, sequence by sequence, over blocks of COLUMNS keys
// in order: p = exp(scale q.k - log_sum_exp), dq += scale p (dy.v - delta) k; workgroup-tile.wgsl.ts says who holds what.
// Workgroups: x over T / ROWS, y over H. Barriers: four for every CHUNK of a head, two for every VALUES keys.
const code: string = /* wgsl */ `
@group(0) @binding(6) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(7) var<uniform> params: Params;

fn load_row(operand: u32, row: u32, d: u32) -> vec4f {
  let t = first + row;
  if (t < rows.x || t >= rows.y || d >= D4) { return vec4f(); }
  let at = (t * params.h + head) * D4 + d;
  if (operand == 0u) { return q[at]; }
  return dy[at];
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
  var log_sum_exp: vec4f;
  var delta: vec4f;
  for (var r = 0u; r < 4u; r++) {
    let stat = stats[min(t[r], params.t - 1u) * params.h + head];
    log_sum_exp[r] = stat.x;
    delta[r] = stat.y;
  }
  for (var at = group.x * ROWS; at < last; ) {
    let tokens = sequence(at, params.t);
    let end = min(tokens.y, last);
    rows = vec2u(at, end);
    let inside = (t >= vec4u(at)) & (t < vec4u(end));
    var start: vec4u;
    for (var r = 0u; r < 4u; r++) { start[r] = first_key(tokens.x, t[r]); }
    var sums: Sums;
    for (var i = 0u; i < 4u * PARTS; i++) { sums[i] = vec4f(); }
    for (var key = first_block(tokens.x, at, COLUMNS); key < end; key += COLUMNS) {
      block = key;
      let scores = products(0u, local, index);
      let dp = products(1u, local, index);
      for (var j = 0u; j < SCORES; j++) {
        let s = vec4u(key + local.x + j * COLUMN_GROUPS);
        let seen = inside & (s >= start) & (s <= t);
        let p = exp(params.scale * scores[j] - log_sum_exp);
        keep_weight(0u, j, local, select(vec4f(), params.scale * p * (dp[j] - delta), seen));
      }
      add_weighted(0u, 0u, min(COLUMNS, end - key), &sums, local, index);
    }
    for (var r = 0u; r < 4u; r++) {
      if (!inside[r]) { continue; }
      for (var p = 0u; p < PARTS; p++) {
        let d = local.x + p * COLUMN_GROUPS;
        if (d < D4) { dq[(t[r] * params.h + head) * D4 + d] = sums[4u * p + r]; }
      }
    }
    at = end;
  }
}
`;
export default code;
