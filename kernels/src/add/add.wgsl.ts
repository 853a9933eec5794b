// One invocation adds four neighbouring elements. No workgroup memory, no barriers. Needs n to be a multiple of 4.
const code: string = /* wgsl */ `
struct Params { n: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let i = (group.y * groups.x + group.x) * 256u + local;
  if (i < params.n / 4u) { y[i] = a[i] + b[i]; }
}
`;
export default code;
