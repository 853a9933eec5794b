// One invocation computes dk and dv of one key of one key/value head: over the queries of its sequence from its own
// position on and the query heads of its group, p = exp(scale q.k - log_sum_exp), dv += p dy and
// dk += scale p (dy.v - delta) q, always in that order. Prelude: D4, the head's vec4s. No workgroup memory, no
// barriers. D a multiple of 4.
const code: string = /* wgsl */ `
@group(0) @binding(6) var<storage, read_write> dk: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dv: array<vec4f>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 64u + local.x;
  if (row >= params.t * params.k) { return; }
  // A bound that the compiler does not know: it would unroll wide heads for half a minute.
  let d4 = select(D4, params.d / 4u, D4 > 16u);
  let s = row / params.k;
  let head = row % params.k;
  let heads = params.h / params.k;
  let end = query_end(min(bounds[s].y, params.t), s);
  var key: array<vec4f, D4>;
  var value: array<vec4f, D4>;
  var key_sum: array<vec4f, D4>;
  var value_sum: array<vec4f, D4>;
  for (var d = 0u; d < d4; d++) {
    key[d] = k[row * D4 + d] * params.scale;
    value[d] = v[row * D4 + d];
  }
  for (var h = head * heads; h < (head + 1u) * heads; h++) {
    for (var t = s; t < end; t++) {
      let query = t * params.h + h;
      var score = 0.0;
      var dp = 0.0;
      for (var d = 0u; d < d4; d++) {
        score += dot(key[d], q[query * D4 + d]);
        dp += dot(value[d], dy[query * D4 + d]);
      }
      let p = exp(score - stats[query].x);
      let ds = params.scale * p * (dp - stats[query].y);
      for (var d = 0u; d < d4; d++) {
        key_sum[d] += ds * q[query * D4 + d];
        value_sum[d] += p * dy[query * D4 + d];
      }
    }
  }
  for (var d = 0u; d < d4; d++) {
    dk[row * D4 + d] = key_sum[d];
    dv[row * D4 + d] = value_sum[d];
  }
}
`;
export default code;
