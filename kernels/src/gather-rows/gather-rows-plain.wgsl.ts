// One invocation copies one element of y[n] = x[index[n]]. No workgroup memory, no barriers; any C.
const code: string = /* wgsl */ `
struct Params { n: u32, source_rows: u32, c: u32 }

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
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
  y[at] = x[index[row] * params.c + (at - row * params.c)];
}
`;
export default code;
