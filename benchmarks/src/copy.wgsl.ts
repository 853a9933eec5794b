// y = x, the yardstick of everything that memory bounds. One invocation copies RUN vec4s, a workgroup of 256 strides
// through its range so that neighbours touch neighbours. No workgroup memory, no barriers.
// The prelude gives `const RUN: u32`.
const code: string = /* wgsl */ `
struct Params { count: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (group.y * groups.x + group.x) * 256u * RUN + lane;
  for (var i = first; i < min(first + 256u * RUN, params.count); i += 256u) {
    y[i] = x[i];
  }
}
`;
export default code;
