// Rotary position embedding, the Hugging Face way: element i of a head is paired with element i + D/2.
// One invocation turns one pair; SIGN -1 turns back. No workgroup memory, no barriers; any even D.
const code: string = /* wgsl */ `
override SIGN: f32;

struct Params { t: u32, h: u32, d: u32, p: u32 }

@group(0) @binding(0) var<storage, read> positions: array<u32>;
@group(0) @binding(1) var<storage, read> cos_sin: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let at = (group.y * groups.x + group.x) * 256u + local;
  let middle = params.d / 2u;
  if (at >= params.t * params.h * middle) { return; }
  let head = at / middle;
  let pair = at - head * middle;
  let angles = positions[head / params.h] * params.d;
  let cosine = cos_sin[angles + pair];
  let sine = SIGN * cos_sin[angles + middle + pair];
  let first = head * params.d + pair;
  let a = x[first];
  let b = x[first + middle];
  y[first] = a * cosine - b * sine;
  y[first + middle] = b * cosine + a * sine;
}
`;
export default code;
