// One invocation computes one row's queries of HEADS heads that share a key/value head, so that a loaded key serves all
// of them. Lanes of a subgroup lie on neighbouring rows, so nothing is exchanged. Prelude: D4 (vec4s of a head), HEADS. No workgroup memory, no barriers.
// D a multiple of 4.
const code: string = /* wgsl */ `
@compute @workgroup_size(8)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 8u + local.x;
  if (row >= params.b * params.h / HEADS) { return; }
  let head = row * HEADS % params.h;
  let b = row * HEADS / params.h;
  let first = slot[b] * params.s;
  let count = min(length[b], params.s);
  let start = select(count - min(params.window, count), 0u, params.window == 0u);
  let at = row * HEADS * D4;
  let stride = params.k * D4;
  let offset = head * params.k / params.h * D4;
  var query: array<vec4f, HEADS * D4>;
  var sum: array<vec4f, HEADS * D4>;
  var most: array<f32, HEADS>;
  var total: array<f32, HEADS>;
  for (var i = 0u; i < HEADS * D4; i++) { query[i] = q[at + i] * params.scale; }
  for (var g = 0u; g < HEADS; g++) { most[g] = -3.0e38; }
  for (var s = first + start; s < first + count; s++) {
    let key = s * stride + offset;
    var p = array<f32, HEADS>();
    for (var d = 0u; d < D4; d++) {
      let b = key_cache[key + d];
      for (var g = 0u; g < HEADS; g++) { p[g] += dot(query[g * D4 + d], b); }
    }
    var shrink = array<f32, HEADS>();
    for (var g = 0u; g < HEADS; g++) {
      let next = max(most[g], p[g]);
      shrink[g] = exp(most[g] - next);
      p[g] = exp(p[g] - next);
      total[g] = total[g] * shrink[g] + p[g];
      most[g] = next;
    }
    for (var d = 0u; d < D4; d++) {
      let b = value_cache[key + d];
      for (var g = 0u; g < HEADS; g++) { sum[g * D4 + d] = sum[g * D4 + d] * shrink[g] + p[g] * b; }
    }
  }
  for (var g = 0u; g < HEADS; g++) {
    for (var d = 0u; d < D4; d++) { y[at + g * D4 + d] = sum[g * D4 + d] / max(total[g], 1.0e-38); }
  }
}
`;
export default code;
