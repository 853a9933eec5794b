// One workgroup of 128 computes one row's queries of up to four heads that share a key/value head, over blocks of KEYS
// cached positions with an online softmax. Scores: 8 neighbouring invocations read one key side by side, their partial
// products (one component a head) are added in order. Sums: SLICES invocations for every vec4 of a head take the block's
// positions in turns; the slices are added at the end, in order. Prelude: D4 (vec4s of a head), KEYS, SLICES.
// Workgroups: x over B, y over K, z over the groups of four heads that share a key. Workgroup memory: 9,344 bytes at 64
// keys. Barriers: five a block, two at the end. D a multiple of 4, at most 512.
const code: string = /* wgsl */ `
// Partial products of every key, and at the end the sums of every slice.
var<workgroup> partial: array<vec4f, 8u * KEYS>;
// Scores, then probabilities of the block's keys, and at the end the totals of every slice.
var<workgroup> weights: array<vec4f, KEYS>;
var<workgroup> peaks: array<vec4f, 8>;

fn query(head: u32, end: u32, d: u32) -> vec4f {
  if (head >= end || d >= D4) { return vec4f(); }
  return params.scale * q[head * D4 + d];
}

@compute @workgroup_size(128)
fn main(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let heads = params.h / params.k;
  let head = group.x * params.h + group.y * heads + 4u * group.z;
  let head_end = group.x * params.h + (group.y + 1u) * heads;
  let first = slot[group.x] * params.s;
  let count = min(length[group.x], params.s);
  let column = local % D4;
  let slice = local / D4;
  var sums: array<vec4f, 4>;
  var most = vec4f(-3.0e38);
  var total = vec4f();
  let start = select(count - min(params.window, count), 0u, params.window == 0u);
  for (var block = start; block < count; block += KEYS) {
    workgroupBarrier();
    for (var i = local / 8u; i < KEYS; i += 16u) {
      let at = ((first + min(block + i, count - 1u)) * params.k + group.y) * D4;
      var products = vec4f();
      for (var d = local % 8u; d < D4; d += 8u) {
        let key = key_cache[at + d];
        products += key * mat4x4f(
          query(head, head_end, d),
          query(head + 1u, head_end, d),
          query(head + 2u, head_end, d),
          query(head + 3u, head_end, d),
        );
      }
      partial[8u * i + local % 8u] = products;
    }
    workgroupBarrier();
    if (local < KEYS) {
      var score = partial[8u * local];
      for (var i = 1u; i < 8u; i++) { score += partial[8u * local + i]; }
      weights[local] = select(vec4f(-3.0e38), score, block + local < count);
    }
    workgroupBarrier();
    if (local < 8u) {
      var peak = weights[local];
      for (var i = local + 8u; i < KEYS; i += 8u) { peak = max(peak, weights[i]); }
      peaks[local] = peak;
    }
    workgroupBarrier();
    var next = most;
    for (var i = 0u; i < 8u; i++) { next = max(next, peaks[i]); }
    if (local < KEYS) { weights[local] = select(vec4f(), exp(weights[local] - next), block + local < count); }
    workgroupBarrier();
    let shrink = exp(most - next);
    most = next;
    total *= shrink;
    for (var i = 0u; i < 4u; i++) { sums[i] *= shrink[i]; }
    if (slice < SLICES) {
      for (var i = slice; i < min(KEYS, count - block); i += SLICES) {
        let weight = weights[i];
        let value = value_cache[((first + block + i) * params.k + group.y) * D4 + column];
        total += weight;
        for (var h = 0u; h < 4u; h++) { sums[h] += weight[h] * value; }
      }
    }
  }
  workgroupBarrier();
  if (slice < SLICES) {
    for (var h = 0u; h < 4u; h++) { partial[(h * SLICES + slice) * D4 + column] = sums[h]; }
    if (column == 0u) { weights[slice] = total; }
  }
  workgroupBarrier();
  for (var i = local; i < 4u * D4; i += 128u) {
    let h = i / D4;
    if (head + h >= head_end) { continue; }
    var sum = vec4f();
    var all = 0.0;
    for (var s = 0u; s < SLICES; s++) {
      sum += partial[(h * SLICES + s) * D4 + i % D4];
      all += weights[s][h];
    }
    y[(head + h) * D4 + i % D4] = sum / max(all, 1.0e-38);
  }
}
`;
export default code;
