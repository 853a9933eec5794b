// One invocation scales one element. No workgroup memory, no barriers.
const code: string = /* wgsl */ `
struct Params { n: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = (group.y * groups.x + group.x) * 256u + local;
  if (i < params.n) { y[i] = params.factor * x[i]; }
}
`;
export default code;
