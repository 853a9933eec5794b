// One invocation scales REPEAT vec4s. No workgroup memory, no barriers. Needs n to be a multiple of 4.
const code: string = /* wgsl */ `
override REPEAT: u32;

struct Params { n: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let first = (group.y * groups.x + group.x) * 64u * REPEAT;
  let end = min(first + 64u * REPEAT, params.n / 4u);
  for (var i = first + local; i < end; i += 64u) { y[i] = params.factor * x[i]; }
}
`;
export default code;
