// One invocation computes four neighbouring numbers of y[t] = W[tokens[t] - first] where that row is in the table.
// No workgroup memory, no barriers. C a multiple of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, v: u32, c: u32, first: u32, format: u32 }

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 64u + local;
  let c4 = params.c / 4u;
  if (at >= params.t * c4) { return; }
  // A token before the table wraps round and is past its end too.
  let source = tokens[at / c4] - params.first;
  if (source >= params.v) { return; }
  let column = at % c4;
  let group_at = source * groups_of(params.c) + column / 16u;
  y[at] = weights_of(group_at, column % 16u, scale_of(group_at));
}
`;
export default code;
