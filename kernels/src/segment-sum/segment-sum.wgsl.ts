// One subgroup adds up one segment: its lanes stride over the elements, then meet. The order is fixed by WIDTH.
// A workgroup is ROWS subgroups of WIDTH lanes; no workgroup memory, no barriers.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { t: u32, e: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> segments: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let index = (group.y * groups.x + group.x) * ROWS + local.y;
  let segment = segments[min(index, params.e - 1u)];
  var sum = 0.0;
  for (var i = segment.x + local.x; i < segment.y; i += WIDTH) { sum += x[i]; }
  let total = subgroupAdd(sum);
  if (local.x == 0u && index < params.e) { sums[index] = total; }
}
`;
export default code;
