// One invocation computes one row's query of one head, with an online softmax over the valid rows of its slot.
// Prelude: D4, the head's vec4s. No workgroup memory, no barriers. D a multiple of 4.
const code: string = /* wgsl */ `
@compute @workgroup_size(8)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 8u + local.x;
  if (row >= params.b * params.h) { return; }
  let b = row / params.h;
  let head = (row % params.h) * params.k / params.h;
  let first = slot[b] * params.s;
  let count = min(length[b], params.s);
  let start = select(count - min(params.window, count), 0u, params.window == 0u);
  var query: array<vec4f, D4>;
  var sum: array<vec4f, D4>;
  for (var d = 0u; d < D4; d++) { query[d] = q[row * D4 + d] * params.scale; }
  var most = -3.0e38;
  var total = 0.0;
  for (var s = first + start; s < first + count; s++) {
    let key = (s * params.k + head) * D4;
    var score = 0.0;
    for (var d = 0u; d < D4; d++) { score += dot(query[d], key_cache[key + d]); }
    let next = max(most, score);
    let shrink = exp(most - next);
    let p = exp(score - next);
    total = total * shrink + p;
    for (var d = 0u; d < D4; d++) { sum[d] = sum[d] * shrink + p * value_cache[key + d]; }
    most = next;
  }
  for (var d = 0u; d < D4; d++) { y[row * D4 + d] = sum[d] / max(total, 1.0e-38); }
}
`;
export default code;
