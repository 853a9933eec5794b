// One subgroup computes one row in three passes over its vec4s: the maximum, the sum of exponentials, then
// weight (softmax - onehot) in the place of the logits; loss = -weight log softmax at the target. Rows of weight 0 give
// zeros unread. Every lane reads and writes its own vec4s alone, so the lane that holds the target gives the loss.
// A workgroup is ROWS subgroups of WIDTH lanes; no workgroup memory, no barriers. Needs V to be a multiple of 4.
const code: string = /* wgsl */ `
override WIDTH: u32;
override ROWS: u32;

@group(0) @binding(3) var<storage, read_write> logits: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WIDTH, ROWS)
fn main(
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let index = (group.y * groups.x + group.x) * ROWS + local.y;
  let row = min(index, params.t - 1u);
  let v4 = params.v / 4u;
  let start = row * v4;
  let w = weight[row];
  let counts = index < params.t && w != 0.0;
  let read_end = select(0u, v4, counts);

  var lane_most = vec4f(-3.4e38);
  for (var i = local.x; i < read_end; i += WIDTH) { lane_most = max(lane_most, logits[start + i]); }
  let most = subgroupMax(max(max(lane_most.x, lane_most.y), max(lane_most.z, lane_most.w)));

  var lane_total = vec4f(0.0);
  for (var i = local.x; i < read_end; i += WIDTH) { lane_total += exp(logits[start + i] - most); }
  let total = subgroupAdd(dot(lane_total, vec4f(1.0)));

  let scale = w / select(1.0, total, counts);
  let target_at = targets[row];
  if (index < params.t && local.x == target_at / 4u % WIDTH) {
    let at = logits[start + target_at / 4u][target_at % 4u];
    loss[row] = select(0.0, w * (log(total) - (at - most)), counts);
  }
  for (var i = local.x; i < read_end; i += WIDTH) {
    let column = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u);
    let onehot = select(vec4f(0.0), vec4f(w), column == vec4u(target_at));
    logits[start + i] = exp(logits[start + i] - most) * scale - onehot;
  }
  let zero_end = select(v4, 0u, counts || index >= params.t);
  for (var i = local.x; i < zero_end; i += WIDTH) { logits[start + i] = vec4f(0.0); }
}
`;
export default code;
