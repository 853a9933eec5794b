// One subgroup of 8 lanes computes dq of 8 ROWS neighbouring queries of HEADS heads that share a key/value head; a lane
// holds UNITS = ROWS HEADS of them. Keys come in blocks of 8 as in the forward kernel, one key and one value loaded by
// each lane and handed round by broadcast: p = exp(scale q.k - log_sum_exp), dq += scale p (dy.v - delta) k.
// Non-finite keys enter the sums as zero; a query that sees one has a non-finite p already.
// Prelude: D4 (vec4s of a head), HEADS, ROWS, UNITS. Workgroups: x over T / (8 ROWS), y over H / HEADS. No workgroup
// memory, no barriers. D a multiple of 4; subgroups of exactly 8.
// Arrays declared in a loop are given a value there: some drivers zero a bare declaration only once.
const code: string = /* wgsl */ `
@group(0) @binding(6) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let first = group.x * ROWS * 8u;
  let last = min(first + ROWS * 8u, params.t) - 1u;
  let head = group.y * HEADS;
  let kv_head = head * params.k / params.h;
  var t: array<u32, ROWS>;
  var start: array<u32, ROWS>;
  var at: array<u32, UNITS>;
  var stat: array<vec2f, UNITS>;
  var query: array<vec4f, UNITS * D4>;
  var gradient: array<vec4f, UNITS * D4>;
  var sum: array<vec4f, UNITS * D4>;
  for (var r = 0u; r < ROWS; r++) {
    t[r] = min(first + r * 8u + local.x, last);
    start[r] = first_key(bounds[t[r]].x, t[r]);
  }
  for (var u = 0u; u < UNITS; u++) {
    at[u] = t[u / HEADS] * params.h + head + u % HEADS;
    stat[u] = stats[at[u]];
    for (var d = 0u; d < D4; d++) {
      query[u * D4 + d] = q[at[u] * D4 + d] * params.scale;
      gradient[u * D4 + d] = dy[at[u] * D4 + d];
    }
  }
  let origin = min(bounds[first].x, last);
  for (var block = first_block(origin, first, 8u); block <= last; block += 8u) {
    let key = (min(block + local.x, last) * params.k + kv_head) * D4;
    var low = array<vec4f, UNITS>();
    var high = array<vec4f, UNITS>();
    var dp_low = array<vec4f, UNITS>();
    var dp_high = array<vec4f, UNITS>();
    var held: array<vec4f, D4>;
    for (var d = 0u; d < D4; d++) {
      let b = k[key + d];
      let c = v[key + d];
      held[d] = finite(b);
      for (var u = 0u; u < UNITS; u++) {
        low[u] += dot_low(query[u * D4 + d], b);
        high[u] += dot_high(query[u * D4 + d], b);
        dp_low[u] += dot_low(gradient[u * D4 + d], c);
        dp_high[u] += dot_high(gradient[u * D4 + d], c);
      }
    }
    let keys = block + vec4u(0u, 1u, 2u, 3u);
    for (var u = 0u; u < UNITS; u++) {
      let r = u / HEADS;
      let low_seen = (keys >= vec4u(start[r])) & (keys <= vec4u(t[r]));
      let high_seen = (keys + 4u >= vec4u(start[r])) & (keys + 4u <= vec4u(t[r]));
      let ds_low = params.scale * exp(low[u] - stat[u].x) * (dp_low[u] - stat[u].y);
      let ds_high = params.scale * exp(high[u] - stat[u].x) * (dp_high[u] - stat[u].y);
      low[u] = select(vec4f(), ds_low, low_seen);
      high[u] = select(vec4f(), ds_high, high_seen);
    }
    for (var d = 0u; d < D4; d++) {
      for (var u = 0u; u < UNITS; u++) { sum[u * D4 + d] += weigh(low[u], high[u], held[d]); }
    }
  }
  for (var u = 0u; u < UNITS; u++) {
    if (first + u / HEADS * 8u + local.x <= last) {
      for (var d = 0u; d < D4; d++) { dq[at[u] * D4 + d] = sum[u * D4 + d]; }
    }
  }
}
`;
export default code;
