// One subgroup of 8 lanes computes dk and dv of 8 ROWS neighbouring keys of one key/value head; a lane holds ROWS keys.
// Queries come in blocks of 8 from the first key to the end of the last key's sequence, for each query head of the
// group in turn: each lane loads one query and its dy, which are handed round by broadcast, and
// p = exp(scale q.k - log_sum_exp), dv += p dy, dk += scale p (dy.v - delta) q, always in that order.
// Non-finite queries and dy enter the sums as zero; a key that is seen by one gets a non-finite p.
// Prelude: D4 (vec4s of a head), ROWS. Workgroups: x over T / (8 ROWS), y over K. No workgroup memory, no barriers.
// D a multiple of 4; subgroups of exactly 8.
// Arrays declared in a loop are given a value there: some drivers zero a bare declaration only once.
const code: string = /* wgsl */ `
@group(0) @binding(6) var<storage, read_write> dk: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dv: array<vec4f>;
@group(0) @binding(8) var<uniform> params: Params;

fn broadcast_low(x: f32) -> vec4f {
  return vec4f(subgroupShuffle(x, 0u), subgroupShuffle(x, 1u), subgroupShuffle(x, 2u), subgroupShuffle(x, 3u));
}

fn broadcast_high(x: f32) -> vec4f {
  return vec4f(subgroupShuffle(x, 4u), subgroupShuffle(x, 5u), subgroupShuffle(x, 6u), subgroupShuffle(x, 7u));
}

fn poison(p: vec4f, dp: vec4f) -> vec4f {
  return select(p, dp, (bitcast<vec4u>(dp) & vec4u(0x7f800000u)) == vec4u(0x7f800000u));
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let first = group.x * ROWS * 8u;
  let last = min(first + ROWS * 8u, params.t) - 1u;
  let stop = query_end(clamp(bounds[last].y, last + 1u, params.t), last);
  let heads = params.h / params.k;
  var s: array<u32, ROWS>;
  var end: array<u32, ROWS>;
  var key: array<vec4f, ROWS * D4>;
  var value: array<vec4f, ROWS * D4>;
  var key_sum: array<vec4f, ROWS * D4>;
  var value_sum: array<vec4f, ROWS * D4>;
  for (var r = 0u; r < ROWS; r++) {
    s[r] = min(first + r * 8u + local.x, last);
    end[r] = query_end(min(bounds[s[r]].y, params.t), s[r]);
    let at = (s[r] * params.k + group.y) * D4;
    for (var d = 0u; d < D4; d++) {
      key[r * D4 + d] = k[at + d] * params.scale;
      value[r * D4 + d] = v[at + d];
    }
  }
  for (var h = group.y * heads; h < (group.y + 1u) * heads; h++) {
    for (var block = first; block < stop; block += 8u) {
      let query = min(block + local.x, stop - 1u) * params.h + h;
      let stat = stats[query];
      var low = array<vec4f, ROWS>();
      var high = array<vec4f, ROWS>();
      var dp_low = array<vec4f, ROWS>();
      var dp_high = array<vec4f, ROWS>();
      var held: array<vec4f, D4>;
      var gradient: array<vec4f, D4>;
      for (var d = 0u; d < D4; d++) {
        let b = q[query * D4 + d];
        let c = dy[query * D4 + d];
        held[d] = finite(b);
        gradient[d] = finite(c);
        for (var r = 0u; r < ROWS; r++) {
          low[r] += dot_low(key[r * D4 + d], b);
          high[r] += dot_high(key[r * D4 + d], b);
          dp_low[r] += dot_low(value[r * D4 + d], c);
          dp_high[r] += dot_high(value[r * D4 + d], c);
        }
      }
      let log_sum_exp_low = broadcast_low(stat.x);
      let log_sum_exp_high = broadcast_high(stat.x);
      let delta_low = broadcast_low(stat.y);
      let delta_high = broadcast_high(stat.y);
      let queries = block + vec4u(0u, 1u, 2u, 3u);
      for (var r = 0u; r < ROWS; r++) {
        let low_seen = (queries >= vec4u(s[r])) & (queries < vec4u(end[r]));
        let high_seen = (queries + 4u >= vec4u(s[r])) & (queries + 4u < vec4u(end[r]));
        low[r] = select(vec4f(), poison(exp(low[r] - log_sum_exp_low), dp_low[r]), low_seen);
        high[r] = select(vec4f(), poison(exp(high[r] - log_sum_exp_high), dp_high[r]), high_seen);
        dp_low[r] = select(vec4f(), params.scale * low[r] * (dp_low[r] - delta_low), low_seen);
        dp_high[r] = select(vec4f(), params.scale * high[r] * (dp_high[r] - delta_high), high_seen);
      }
      for (var d = 0u; d < D4; d++) {
        for (var r = 0u; r < ROWS; r++) {
          key_sum[r * D4 + d] += weigh(dp_low[r], dp_high[r], held[d]);
          value_sum[r * D4 + d] += weigh(low[r], high[r], gradient[d]);
        }
      }
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    if (first + r * 8u + local.x <= last) {
      let at = (s[r] * params.k + group.y) * D4;
      for (var d = 0u; d < D4; d++) {
        dk[at + d] = key_sum[r * D4 + d];
        dv[at + d] = value_sum[r * D4 + d];
      }
    }
  }
}
`;
export default code;
