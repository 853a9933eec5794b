// One subgroup adds the partial sums of one adapter, its lanes striding over them.
// A workgroup is ROWS subgroups of WIDTH lanes; no workgroup memory, no barriers.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

struct Params { e: u32, b: u32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> squared_norm: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let index = (group.y * groups.x + group.x) * ROWS + local.y;
  let start = min(index, params.e - 1u) * params.b;
  var sum = 0.0;
  for (var i = local.x; i < params.b; i += WIDTH) { sum += partial[start + i]; }
  let total = subgroupAdd(sum);
  if (local.x == 0u && index < params.e) { squared_norm[index] = total; }
}
`;
export default code;
