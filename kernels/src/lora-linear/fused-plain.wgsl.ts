// Y = X W^T + H L_e (+ bias), or with BACKWARD dX (+)= dY W + G L_e (x, h, y are then dY, G, dX of widths N, R, K).
// One invocation computes 8 columns of one row. No subgroups, no workgroup memory, no barriers; any size.
const code: string = /* wgsl */ `
override BACKWARD: bool;

struct Params {
  t: u32, k: u32, n: u32, r: u32, e: u32, stride: u32, offset: u32, accumulate: u32, has_bias: u32
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read> h: array<f32>;
@group(0) @binding(3) var<storage, read> arena: array<f32>;
@group(0) @binding(4) var<storage, read> blocks: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.y;
  let inner = select(params.k, params.n, BACKWARD);
  let width = select(params.n, params.k, BACKWARD);
  let w_inner = select(1u, params.k, BACKWARD);
  let w_column = select(params.k, 1u, BACKWARD);
  if (row >= params.t) { return; }
  let low_rank = blocks[row / 8u] * params.stride + params.offset;
  var sums: array<f32, 8>;
  for (var i = 0u; i < inner; i++) {
    let left = x[row * inner + i];
    for (var j = 0u; j < 8u; j++) {
      sums[j] += left * w[i * w_inner + min(id.x * 8u + j, width - 1u) * w_column];
    }
  }
  for (var i = 0u; i < params.r; i++) {
    let left = h[row * params.r + i];
    for (var j = 0u; j < 8u; j++) {
      sums[j] += left * arena[low_rank + i * width + min(id.x * 8u + j, width - 1u)];
    }
  }
  for (var j = 0u; j < 8u; j++) {
    let column = id.x * 8u + j;
    if (column >= width) { return; }
    var value = sums[j];
    if (params.has_bias != 0u) { value += bias[column]; }
    if (params.accumulate != 0u) { value += y[row * width + column]; }
    y[row * width + column] = value;
  }
}
`;
export default code;
