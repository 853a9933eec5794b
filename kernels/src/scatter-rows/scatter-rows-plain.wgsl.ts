// One invocation adds one element of dx[index[n]] += dy[n]; the indices must differ, so no two rows meet.
// No workgroup memory, no barriers; any C.
const code: string = /* wgsl */ `
struct Params { n: u32, t: u32, c: u32 }

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 256u + local;
  if (at >= params.n * params.c) { return; }
  let row = at / params.c;
  dx[index[row] * params.c + (at - row * params.c)] += dy[at];
}
`;
export default code;
