// One invocation computes a whole group of a row, so that its scale is read once. No workgroup memory, no barriers. K a
// multiple of 4.
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
  let group_at = (group.y * groups.x + group.x) * 64u + local;
  let count = groups_of(params.k);
  if (group_at >= params.n * count) { return; }
  let k4 = params.k / 4u;
  let first = group_at % count * 16u;
  let at = group_at / count * k4 + first;
  let scale = scale_of(group_at);
  for (var i = 0u; i < min(16u, k4 - first); i++) { y[at + i] = weights_of(group_at, i, scale); }
}
`;
export default code;
