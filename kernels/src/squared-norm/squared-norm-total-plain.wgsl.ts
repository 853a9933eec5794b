// One invocation adds the partial sums of one adapter in order. No workgroup memory, no barriers.
const code: string = /* wgsl */ `
struct Params { e: u32, b: u32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> squared_norm: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let index = (group.y * groups.x + group.x) * 64u + local;
  if (index >= params.e) { return; }
  var sum = 0.0;
  for (var i = index * params.b; i < (index + 1u) * params.b; i++) { sum += partial[i]; }
  squared_norm[index] = sum;
}
`;
export default code;
