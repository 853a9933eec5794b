// One subgroup normalises ROWS rows one after another: a lane keeps its HELD vec4s of the scales for all of them and of
// a row between the sum of its squares and the scaling, so that every number is loaded once.
// Prelude: HELD = ceil(C / 32), ROWS. Workgroups of one subgroup of 8 lanes; no workgroup memory, no barriers.
// Needs C to be a multiple of 4.
const code: string = /* wgsl */ `
const WIDTH = 8u;

struct Params { t: u32, c: u32, eps: f32, offset: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> inverse_rms: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let c4 = params.c / 4u;
  let first = (group.y * groups.x + group.x) * ROWS;
  var scales: array<vec4f, HELD>;
  for (var i = 0u; i < HELD; i++) { scales[i] = params.offset + weight[min(i * WIDTH + lane, c4 - 1u)]; }
  for (var row = first; row < min(first + ROWS, params.t); row++) {
    var values = array<vec4f, HELD>();
    var squares = 0.0;
    for (var i = 0u; i < HELD; i++) {
      let column = i * WIDTH + lane;
      values[i] = select(vec4f(), x[row * c4 + min(column, c4 - 1u)], column < c4);
      squares += dot(values[i], values[i]);
    }
    let scale = inverseSqrt(subgroupAdd(squares) / f32(params.c) + params.eps);
    for (var i = 0u; i < HELD; i++) {
      let column = i * WIDTH + lane;
      if (column < c4) { y[row * c4 + column] = values[i] * scale * scales[i]; }
    }
    if (lane == 0u) { inverse_rms[row] = scale; }
  }
}
`;
export default code;
