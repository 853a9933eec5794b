// One subgroup of 8 lanes computes 8 ROWS neighbouring queries of HEADS heads that share a key/value head; a lane holds
// UNITS = ROWS HEADS of them. Keys come in blocks of 8 from the first query's start to the last query: each lane loads
// one key and one value, which are handed round by broadcast, and an online softmax takes the block in. Blocks that no
// query sees are never loaded.
// A tile may span sequences, so a non-finite value enters the sums as zero and is given only to the queries that see
// it: one adapter's overflow must not reach its neighbour through 0 * NaN.
// Prelude: D4 (vec4s of a head), HEADS, ROWS, UNITS. Workgroups: x over T / (8 ROWS), y over H / HEADS. No workgroup
// memory, no barriers. D a multiple of 4; subgroups of exactly 8.
// Arrays declared in a loop are given a value there: some drivers zero a bare declaration only once.
const code: string = /* wgsl */ `
@group(0) @binding(3) var<storage, read> bounds: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> log_sum_exp: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

fn is_broken(b: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(b) & vec4u(0x7f800000u)) == vec4u(0x7f800000u);
}

fn largest(low: vec4f, high: vec4f) -> f32 {
  let pairs = max(low, high);
  return max(max(pairs.x, pairs.y), max(pairs.z, pairs.w));
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let first = group.x * ROWS * 8u;
  let last = min(first + ROWS * 8u, params.t) - 1u;
  let head = group.y * HEADS;
  let kv_head = head * params.k / params.h;
  var t: array<u32, ROWS>;
  var start: array<u32, ROWS>;
  var at: array<u32, UNITS>;
  var query: array<vec4f, UNITS * D4>;
  var sum: array<vec4f, UNITS * D4>;
  var most: array<f32, UNITS>;
  var total: array<f32, UNITS>;
  for (var r = 0u; r < ROWS; r++) {
    t[r] = min(first + r * 8u + local.x, last);
    start[r] = first_key(bounds[t[r]].x, t[r]);
  }
  for (var u = 0u; u < UNITS; u++) {
    at[u] = t[u / HEADS] * params.h + head + u % HEADS;
    most[u] = -3.0e38;
    for (var d = 0u; d < D4; d++) { query[u * D4 + d] = q[at[u] * D4 + d] * params.scale; }
  }
  let origin = min(bounds[first].x, last);
  for (var block = first_block(origin, first, 8u); block <= last; block += 8u) {
    let key = (min(block + local.x, last) * params.k + kv_head) * D4;
    var low = array<vec4f, UNITS>();
    var high = array<vec4f, UNITS>();
    // On the diagonal the first rows see nothing of a block: so many units leave it out.
    let hidden = (max(block, first) - first) / 8u * HEADS;
    for (var d = 0u; d < D4; d++) {
      let b = k[key + d];
      for (var u = 0u; u < UNITS; u++) {
        if (u < hidden) { continue; }
        low[u] += dot_low(query[u * D4 + d], b);
        high[u] += dot_high(query[u * D4 + d], b);
      }
    }
    let keys = block + vec4u(0u, 1u, 2u, 3u);
    var shrink: array<f32, UNITS>;
    for (var u = 0u; u < UNITS; u++) {
      if (u < hidden) { continue; }
      let r = u / HEADS;
      let low_seen = (keys >= vec4u(start[r])) & (keys <= vec4u(t[r]));
      let high_seen = (keys + 4u >= vec4u(start[r])) & (keys + 4u <= vec4u(t[r]));
      let scores_low = select(vec4f(-3.0e38), low[u], low_seen);
      let scores_high = select(vec4f(-3.0e38), high[u], high_seen);
      let next = max(most[u], largest(scores_low, scores_high));
      shrink[u] = exp(most[u] - next);
      low[u] = select(vec4f(), exp(scores_low - next), low_seen);
      high[u] = select(vec4f(), exp(scores_high - next), high_seen);
      total[u] = total[u] * shrink[u] + dot(low[u] + high[u], vec4f(1.0));
      most[u] = next;
    }
    var broken = false;
    for (var d = 0u; d < D4; d++) {
      let loaded = v[key + d];
      let broken_parts = is_broken(loaded);
      let b = select(loaded, vec4f(), broken_parts);
      broken = broken | any(broken_parts);
      for (var u = 0u; u < UNITS; u++) {
        if (u < hidden) { continue; }
        sum[u * D4 + d] = sum[u * D4 + d] * shrink[u] + weigh(low[u], high[u], b);
      }
    }
    let broken_keys = subgroupBallot(broken).x;
    if (broken_keys != 0u) {
      var not_a_number = 0x7fc00000u;
      for (var j = 0u; j < 8u; j++) {
        for (var u = 0u; u < UNITS; u++) {
          let seen = block + j >= start[u / HEADS] && block + j <= t[u / HEADS];
          if (seen && ((broken_keys >> j) & 1u) != 0u) { total[u] = bitcast<f32>(not_a_number); }
        }
      }
    }
  }
  for (var u = 0u; u < UNITS; u++) {
    if (first + u / HEADS * 8u + local.x <= last) {
      for (var d = 0u; d < D4; d++) { y[at[u] * D4 + d] = sum[u * D4 + d] / total[u]; }
      log_sum_exp[at[u]] = most[u] + log(total[u]);
    }
  }
}
`;
export default code;
