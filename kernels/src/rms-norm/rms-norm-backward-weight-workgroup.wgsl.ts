// One workgroup adds up dweight for 16 elements: 16 invocations an element take the rows in turns, and one adds their
// sums in order. Workgroup memory: 1 KiB. One barrier.
const code: string = /* wgsl */ `
struct Params { t: u32, c: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> inverse_rms: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let i = group.x * 16u + local.x;
  var sum = 0.0;
  if (i < params.c) {
    for (var row = local.y; row < params.t; row += 16u) {
      sum += dy[row * params.c + i] * x[row * params.c + i] * inverse_rms[row];
    }
  }
  partial[local.y * 16u + local.x] = sum;
  workgroupBarrier();
  if (local.y > 0u || i >= params.c) { return; }
  for (var slice = 1u; slice < 16u; slice++) { sum += partial[slice * 16u + local.x]; }
  dweight[i] += sum;
}
`;
export default code;
