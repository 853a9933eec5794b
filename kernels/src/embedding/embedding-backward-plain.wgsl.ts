// One invocation owns one element of dweight and adds dy where its token stands, in the order of `order`.
// No workgroup memory, no barriers; any C.
const code: string = /* wgsl */ `
struct Params { t: u32, v: u32, c: u32 }

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 256u + local;
  if (at >= params.v * params.c) { return; }
  let token = at / params.c;
  let column = at - token * params.c;
  let end = starts[token + 1u];
  var sum = dweight[at];
  for (var k = starts[token]; k < end; k++) { sum += dy[order[k] * params.c + column]; }
  dweight[at] = sum;
}
`;
export default code;
