// One invocation computes one row in three passes: the maximum, the sum of exponentials (in runs of 256, so that a
// long row loses no digits), then weight (softmax - onehot) in the place of the logits; loss = -weight log softmax at
// the target. Rows of weight 0 give zeros unread. No workgroup memory, no barriers; any V.
const code: string = /* wgsl */ `
@group(0) @binding(3) var<storage, read_write> logits: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = (group.y * groups.x + group.x) * 64u + local;
  if (row >= params.t) { return; }
  let start = row * params.v;
  let end = start + params.v;
  let w = weight[row];
  if (w == 0.0) {
    for (var i = start; i < end; i++) { logits[i] = 0.0; }
    loss[row] = 0.0;
    return;
  }
  var most = -3.4e38;
  for (var i = start; i < end; i++) { most = max(most, logits[i]); }
  var total = 0.0;
  for (var first = start; first < end; first += 256u) {
    var part = 0.0;
    for (var i = first; i < min(first + 256u, end); i++) { part += exp(logits[i] - most); }
    total += part;
  }
  let target_at = start + targets[row];
  loss[row] = w * (log(total) - (logits[target_at] - most));
  let scale = w / total;
  for (var i = start; i < end; i++) { logits[i] = exp(logits[i] - most) * scale; }
  logits[target_at] -= w;
}
`;
export default code;
