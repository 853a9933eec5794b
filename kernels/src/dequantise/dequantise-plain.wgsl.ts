// One invocation computes one weight. No workgroup memory, no barriers; any K.
const code: string = /* wgsl */ `
struct Params { n: u32, k: u32, format: u32 }

@group(0) @binding(0) var<storage, read> data: array<u32>;
@group(0) @binding(1) var<storage, read> scales: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 64u + local;
  if (at >= params.n * params.k) { return; }
  let column = at % params.k;
  let group_at = at / params.k * groups_of(params.k) + column / 64u;
  y[at] = weights_of(group_at, column % 64u / 4u, scale_of(group_at))[column % 4u];
}
`;
export default code;
