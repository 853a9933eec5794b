// Rotary position embedding, the Hugging Face way: element i of a head is paired with element i + D/2.
// WIDTH invocations turn the heads of one row, each four neighbouring pairs at a time; a workgroup turns ROWS rows.
// SIGN -1 turns back. No workgroup memory, no barriers. Needs D to be a multiple of 8.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;
override SIGN: f32;

struct Params { t: u32, h: u32, d: u32, p: u32 }

@group(0) @binding(0) var<storage, read> positions: array<u32>;
@group(0) @binding(1) var<storage, read> cos_sin: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * ROWS + local.y;
  if (row >= params.t) { return; }
  let half4 = params.d / 8u;
  let angles = positions[row] * half4 * 2u;
  let heads = row * params.h * half4 * 2u;
  for (var i = local.x; i < params.h * half4; i += WIDTH) {
    let head = i / half4;
    let pair = i - head * half4;
    let cosine = cos_sin[angles + pair];
    let sine = SIGN * cos_sin[angles + half4 + pair];
    let first = heads + head * half4 * 2u + pair;
    let a = x[first];
    let b = x[first + half4];
    y[first] = a * cosine - b * sine;
    y[first + half4] = b * cosine + a * sine;
  }
}
`;
export default code;
