// One invocation computes one query of one head: delta = sum over d of y * dy, beside a copy of its log-sum-exp, so
// that the two backward kernels read one buffer for both. No workgroup memory, no barriers. D a multiple of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, h: u32, d: u32 }

@group(0) @binding(0) var<storage, read> y: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> log_sum_exp: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 64u + local.x;
  if (row >= params.t * params.h) { return; }
  let d4 = params.d / 4u;
  var delta = 0.0;
  for (var d = 0u; d < d4; d++) { delta += dot(y[row * d4 + d], dy[row * d4 + d]); }
  stats[row] = vec2f(log_sum_exp[row], delta);
}
`;
export default code;
