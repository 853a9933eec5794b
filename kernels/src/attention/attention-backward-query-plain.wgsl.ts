// One invocation computes dq of one query of one head: over its keys, p = exp(scale q.k - log_sum_exp) and
// dq += scale p (dy.v - delta) k. Prelude: D4, the head's vec4s. No workgroup memory, no barriers. D a multiple of 4.
const code: string = /* wgsl */ `
@group(0) @binding(6) var<storage, read_write> dq: array<vec4f>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 64u + local.x;
  if (row >= params.t * params.h) { return; }
  // A bound that the compiler does not know: it would unroll wide heads for half a minute.
  let d4 = select(D4, params.d / 4u, D4 > 16u);
  let t = row / params.h;
  let head = (row % params.h) * params.k / params.h;
  let stat = stats[row];
  var query: array<vec4f, D4>;
  var gradient: array<vec4f, D4>;
  var sum: array<vec4f, D4>;
  for (var d = 0u; d < d4; d++) {
    query[d] = q[row * D4 + d] * params.scale;
    gradient[d] = dy[row * D4 + d];
  }
  for (var s = first_key(bounds[t].x, t); s <= t; s++) {
    let key = (s * params.k + head) * D4;
    var score = 0.0;
    var dp = 0.0;
    for (var d = 0u; d < d4; d++) {
      score += dot(query[d], k[key + d]);
      dp += dot(gradient[d], v[key + d]);
    }
    let ds = params.scale * exp(score - stat.x) * (dp - stat.y);
    for (var d = 0u; d < d4; d++) { sum[d] += ds * k[key + d]; }
  }
  for (var d = 0u; d < d4; d++) { dq[row * D4 + d] = sum[d]; }
}
`;
export default code;
