// One subgroup takes ROWS rows one after another: with g = dy * (offset + weight) and r = inverse_rms,
// dx += r * g - x * r^3 * mean(g * x). A lane keeps its HELD vec4s of the scales for all rows, and of dy and x between
// the sum and the result, so that every number is loaded once.
// Prelude: HELD = ceil(C / 32), ROWS. Workgroups of one subgroup of 8 lanes; no workgroup memory, no barriers.
// Needs C to be a multiple of 4.
const code: string = /* wgsl */ `
const WIDTH = 8u;

struct Params { t: u32, c: u32, offset: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> inverse_rms: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

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
    let r = inverse_rms[row];
    var values = array<vec4f, HELD>();
    var gradients = array<vec4f, HELD>();
    var projection = 0.0;
    for (var i = 0u; i < HELD; i++) {
      let column = i * WIDTH + lane;
      let at = row * c4 + min(column, c4 - 1u);
      values[i] = select(vec4f(), x[at], column < c4);
      gradients[i] = dy[at];
      projection += dot(gradients[i] * scales[i], values[i]);
    }
    let back = subgroupAdd(projection) / f32(params.c) * r * r * r;
    for (var i = 0u; i < HELD; i++) {
      let column = i * WIDTH + lane;
      if (column < c4) { dx[row * c4 + column] += r * gradients[i] * scales[i] - back * values[i]; }
    }
  }
}
`;
export default code;
