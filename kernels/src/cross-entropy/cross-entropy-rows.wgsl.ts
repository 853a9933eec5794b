// One subgroup computes ROWS rows one after another: a lane holds its HELD vec4s of a row from the maximum to the
// gradient, so that every logit is loaded once and every exponential is taken once.
// weight (softmax - onehot) comes in the place of the logits; loss = -weight log softmax at the target, from the lane that
// holds it. Rows of weight 0 give zeros unread.
// Prelude: HELD = ceil(V / 32), ROWS. Workgroups of one subgroup of 8 lanes; no workgroup memory, no barriers.
// Needs V to be a multiple of 4.
const code: string = /* wgsl */ `
const WIDTH = 8u;

@group(0) @binding(3) var<storage, read_write> logits: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(local_invocation_index) lane: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let v4 = params.v / 4u;
  let first = (group.y * groups.x + group.x) * ROWS;
  for (var row = first; row < min(first + ROWS, params.t); row++) {
    let start = row * v4;
    let w = weight[row];
    var values = array<vec4f, HELD>();
    if (w == 0.0) {
      for (var i = 0u; i < HELD; i++) {
        let column = i * WIDTH + lane;
        if (column < v4) { logits[start + column] = vec4f(); }
      }
      if (lane == 0u) { loss[row] = 0.0; }
      continue;
    }
    var lane_most = vec4f(-3.4e38);
    for (var i = 0u; i < HELD; i++) {
      let column = i * WIDTH + lane;
      values[i] = select(vec4f(-3.4e38), logits[start + min(column, v4 - 1u)], column < v4);
      lane_most = max(lane_most, values[i]);
    }
    let most = subgroupMax(max(max(lane_most.x, lane_most.y), max(lane_most.z, lane_most.w)));
    let target_at = targets[row];
    var lane_total = vec4f();
    for (var i = 0u; i < HELD; i++) {
      values[i] = exp(values[i] - most);
      lane_total += values[i];
    }
    let total = subgroupAdd(dot(lane_total, vec4f(1.0)));
    if (lane == target_at / 4u % WIDTH) {
      let at = logits[start + target_at / 4u][target_at % 4u];
      loss[row] = w * (log(total) - (at - most));
    }
    let scale = w / total;
    for (var i = 0u; i < HELD; i++) {
      let column = i * WIDTH + lane;
      let onehot = select(vec4f(), vec4f(w), 4u * column + vec4u(0u, 1u, 2u, 3u) == vec4u(target_at));
      if (column < v4) { logits[start + column] = values[i] * scale - onehot; }
    }
  }
}
`;
export default code;
