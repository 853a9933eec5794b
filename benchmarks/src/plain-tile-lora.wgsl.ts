// Y = X W^T + H L_e, or with BACKWARD dX (+)= dY W + G L_e, by the yardstick's tile: 4 rows by 8 columns an invocation,
// vec4 loads, four values of the inner index a turn; a workgroup is 8 x 8 invocations. No subgroups, no workgroup
// memory, no barriers. K, N, R, stride and offset are multiples of 4; a bias is not served.
const code: string = /* wgsl */ `
override BACKWARD: bool;

struct Params {
  t: u32, k: u32, n: u32, r: u32, e: u32, stride: u32, offset: u32, accumulate: u32, has_bias: u32
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> h: array<vec4f>;
@group(0) @binding(3) var<storage, read> arena: array<vec4f>;
@group(0) @binding(4) var<storage, read> blocks: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(7) var<uniform> params: Params;

fn store(at: u32, value: vec4f) {
  if (params.accumulate != 0u) { y[at] += value; } else { y[at] = value; }
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let inner4 = select(params.k, params.n, BACKWARD) / 4u;
  let width4 = select(params.n, params.k, BACKWARD) / 4u;
  let r4 = params.r / 4u;
  let row = id.y * 4u;
  let column = id.x * 2u;
  if (row >= params.t || column >= width4) { return; }
  let next = min(column + 1u, width4 - 1u);
  let last = params.t - 1u;
  var left: array<vec4f, 4>;
  var right: array<vec4f, 4>;
  for (var i = 0u; i < inner4; i++) {
    var b0: mat4x4f;
    var b1: mat4x4f;
    if (BACKWARD) {
      let at = 4u * i * width4;
      b0 = mat4x4f(w[at + column], w[at + width4 + column], w[at + 2u * width4 + column], w[at + 3u * width4 + column]);
      b1 = mat4x4f(w[at + next], w[at + width4 + next], w[at + 2u * width4 + next], w[at + 3u * width4 + next]);
    } else {
      let at0 = 4u * column * inner4 + i;
      let at1 = 4u * next * inner4 + i;
      b0 = transpose(mat4x4f(w[at0], w[at0 + inner4], w[at0 + 2u * inner4], w[at0 + 3u * inner4]));
      b1 = transpose(mat4x4f(w[at1], w[at1 + inner4], w[at1 + 2u * inner4], w[at1 + 3u * inner4]));
    }
    for (var j = 0u; j < 4u; j++) {
      let own = x[min(row + j, last) * inner4 + i];
      left[j] += own.x * b0[0] + own.y * b0[1] + own.z * b0[2] + own.w * b0[3];
      right[j] += own.x * b1[0] + own.y * b1[1] + own.z * b1[2] + own.w * b1[3];
    }
  }
  let low_rank = (blocks[row / 8u] * params.stride + params.offset) / 4u;
  for (var i = 0u; i < r4; i++) {
    let at = low_rank + 4u * i * width4;
    let b0 = mat4x4f(arena[at + column], arena[at + width4 + column], arena[at + 2u * width4 + column], arena[at + 3u * width4 + column]);
    let b1 = mat4x4f(arena[at + next], arena[at + width4 + next], arena[at + 2u * width4 + next], arena[at + 3u * width4 + next]);
    for (var j = 0u; j < 4u; j++) {
      let own = h[min(row + j, last) * r4 + i];
      left[j] += own.x * b0[0] + own.y * b0[1] + own.z * b0[2] + own.w * b0[3];
      right[j] += own.x * b1[0] + own.y * b1[1] + own.z * b1[2] + own.w * b1[3];
    }
  }
  for (var j = 0u; j < 4u; j++) {
    if (row + j >= params.t) { return; }
    store((row + j) * width4 + column, left[j]);
    if (column + 1u < width4) { store((row + j) * width4 + column + 1u, right[j]); }
  }
}
`;
export default code;
