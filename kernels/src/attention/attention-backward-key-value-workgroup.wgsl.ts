// One workgroup computes dk and dv of ROWS neighbouring keys of one key/value head, sequence by sequence: for each query
// head of the group in turn, over blocks of COLUMNS queries in order from the first key on, p = exp(scale q.k -
// log_sum_exp), dv += p dy, dk += scale p (dy.v - delta) q; workgroup-tile.wgsl.ts says who holds what.
// Workgroups: x over T / ROWS, y over K. Barriers: four for every CHUNK of a head, four for every VALUES queries.
const code: string = /* wgsl */ `
@group(0) @binding(6) var<storage, read_write> dk: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dv: array<vec4f>;
@group(0) @binding(8) var<uniform> params: Params;

// The key/value head and the query head at work, the tile's first key, the keys [rows.x, rows.y) of the sequence at
// work, the block's first query and one past the last that sees a key of the tile.
var<private> kv_head: u32;
var<private> head: u32;
var<private> first: u32;
var<private> rows: vec2u;
var<private> block: u32;
var<private> stop: u32;

fn load_row(operand: u32, row: u32, d: u32) -> vec4f {
  let s = first + row;
  if (s < rows.x || s >= rows.y || d >= D4) { return vec4f(); }
  let at = (s * params.k + kv_head) * D4 + d;
  if (operand == 0u) { return k[at]; }
  return v[at];
}

fn load_column(operand: u32, column: u32, d: u32) -> vec4f {
  let t = block + column;
  if (t >= stop || d >= D4) { return vec4f(); }
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
  kv_head = group.y;
  let heads = params.h / params.k;
  let s = first + 4u * local.y + vec4u(0u, 1u, 2u, 3u);
  for (var at = group.x * ROWS; at < last; ) {
    let tokens = sequence(at, params.t);
    let end = min(tokens.y, last);
    rows = vec2u(at, end);
    let end_query = query_end(tokens.y, end - 1u);
    stop = end_query;
    let inside = (s >= vec4u(at)) & (s < vec4u(end));
    var query_ends: vec4u;
    for (var r = 0u; r < 4u; r++) { query_ends[r] = query_end(tokens.y, s[r]); }
    var key_sums: Sums;
    var value_sums: Sums;
    for (var i = 0u; i < 4u * PARTS; i++) {
      key_sums[i] = vec4f();
      value_sums[i] = vec4f();
    }
    for (var h = group.y * heads; h < (group.y + 1u) * heads; h++) {
      head = h;
      for (var query = at; query < end_query; query += COLUMNS) {
        block = query;
        let scores = products(0u, local, index);
        let dp = products(1u, local, index);
        for (var j = 0u; j < SCORES; j++) {
          let t = query + local.x + j * COLUMN_GROUPS;
          let stat = stats[min(t, params.t - 1u) * params.h + h];
          let seen = inside & (vec4u(t) < query_ends) & (s <= vec4u(t));
          let p = select(vec4f(), exp(params.scale * scores[j] - stat.x), seen);
          keep_weight(0u, j, local, p);
          keep_weight(COLUMNS * ROW_GROUPS, j, local, select(vec4f(), params.scale * p * (dp[j] - stat.y), seen));
        }
        let columns = min(COLUMNS, end_query - query);
        add_weighted(1u, 0u, columns, &value_sums, local, index);
        add_weighted(0u, COLUMNS * ROW_GROUPS, columns, &key_sums, local, index);
      }
    }
    for (var r = 0u; r < 4u; r++) {
      if (!inside[r]) { continue; }
      for (var p = 0u; p < PARTS; p++) {
        let d = local.x + p * COLUMN_GROUPS;
        if (d < D4) {
          dk[(s[r] * params.k + kv_head) * D4 + d] = key_sums[4u * p + r];
          dv[(s[r] * params.k + kv_head) * D4 + d] = value_sums[4u * p + r];
        }
      }
    }
    at = end;
  }
}
`;
export default code;
