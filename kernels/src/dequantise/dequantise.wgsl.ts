// One invocation computes four neighbouring weights of a row. No workgroup memory, no barriers. K a multiple of 4.
const code: string = /* wgsl */ `
struct Params { n: u32, k: u32, format: u32 }

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 64u + local;
  let k4 = params.k / 4u;
  if (at >= params.n * k4) { return; }
  let column = at % k4;
  let group_at = at / k4 * groups_of(params.k) + column / 16u;
  y[at] = weights_of(group_at, column % 16u, scale_of(group_at));
}
`;
export default code;
