// One invocation adds up one segment in order. No workgroup memory, no barriers.
const code: string = /* wgsl */ `
struct Params { t: u32, e: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> segments: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let index = (group.y * groups.x + group.x) * 64u + local;
  if (index >= params.e) { return; }
  let segment = segments[index];
  var sum = 0.0;
  for (var i = segment.x; i < segment.y; i++) { sum += x[i]; }
  sums[index] = sum;
}
`;
export default code;
