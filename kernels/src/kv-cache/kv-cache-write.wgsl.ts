// One invocation copies one vec4 of one row of key and of value. No workgroup memory, no barriers. W a multiple of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, n: u32, w: u32, r: u32 }

@group(0) @binding(0) var<storage, read> key: array<vec4f>;
@group(0) @binding(1) var<storage, read> value: array<vec4f>;
@group(0) @binding(2) var<storage, read> source: array<u32>;
@group(0) @binding(3) var<storage, read> destination: array<u32>;
@group(0) @binding(4) var<storage, read_write> key_cache: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> value_cache: array<vec4f>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let index = (group.y * groups.x + group.x) * 64u + local.x;
  let w4 = params.w / 4u;
  if (index >= params.n * w4) { return; }
  let row = index / w4;
  let column = index % w4;
  if (source[row] >= params.t || destination[row] >= params.r) { return; }
  key_cache[destination[row] * w4 + column] = key[source[row] * w4 + column];
  value_cache[destination[row] * w4 + column] = value[source[row] * w4 + column];
}
`;
export default code;
