// One workgroup of 256 computes one row in three passes: the maximum, the sum of exponentials (both through
// row-reduction.wgsl.ts), then weight (softmax - onehot) in the place of the logits; loss = -weight log softmax at the
// target. Rows of weight 0 give zeros unread. Every invocation reads and writes its own elements alone, so the one that
// holds the target gives the loss. For long rows, or where the subgroup size is not known. Any V.
const code: string = /* wgsl */ `
@group(0) @binding(3) var<storage, read_write> logits: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(256)
fn main(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let row = group.y * groups.x + group.x;
  if (row >= params.t) { return; }
  let start = row * params.v;
  let w = weight[row];
  if (w == 0.0) {
    for (var i = local; i < params.v; i += 256u) { logits[start + i] = 0.0; }
    if (local == 0u) { loss[row] = 0.0; }
    return;
  }
  var own_most = -3.4e38;
  for (var i = local; i < params.v; i += 256u) { own_most = max(own_most, logits[start + i]); }
  let most = largest_across(own_most, local);
  var own_total = 0.0;
  for (var i = local; i < params.v; i += 256u) { own_total += exp(logits[start + i] - most); }
  let total = sum_across(own_total, local);
  let target_at = targets[row];
  if (local == target_at % 256u) { loss[row] = w * (log(total) - (logits[start + target_at] - most)); }
  let scale = w / total;
  for (var i = local; i < params.v; i += 256u) {
    logits[start + i] = exp(logits[start + i] - most) * scale - select(0.0, w, i == target_at);
  }
}
`;
export default code;
