// One invocation computes one query of one head, with an online softmax over its keys. Prelude: D4, the head's vec4s.
// No workgroup memory, no barriers. D a multiple of 4.
const code: string = /* wgsl */ `
@group(0) @binding(3) var<storage, read> bounds: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> log_sum_exp: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

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
  var query: array<vec4f, D4>;
  var sum: array<vec4f, D4>;
  for (var d = 0u; d < d4; d++) { query[d] = q[row * D4 + d] * params.scale; }
  var most = -3.0e38;
  var total = 0.0;
  for (var s = first_key(bounds[t].x, t); s <= t; s++) {
    let key = (s * params.k + head) * D4;
    var score = 0.0;
    for (var d = 0u; d < d4; d++) { score += dot(query[d], k[key + d]); }
    let next = max(most, score);
    let shrink = exp(most - next);
    let p = exp(score - next);
    total = total * shrink + p;
    for (var d = 0u; d < d4; d++) { sum[d] = sum[d] * shrink + p * v[key + d]; }
    most = next;
  }
  for (var d = 0u; d < d4; d++) { y[row * D4 + d] = sum[d] / total; }
  log_sum_exp[row] = most + log(total);
}
`;
export default code;
