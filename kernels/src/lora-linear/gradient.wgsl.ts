// dL_e (R, N) = sum over the tokens of segment e of H[t]^T D[t], written over its place in the gradient arena.
// One workgroup is one subgroup of 8 lanes and computes 16 ranks by 32 columns of one adapter, four tokens at a time:
// of each two, lanes 0-3 load the first token's 16 ranks, lanes 4-7 the second's. Fixed order, from what is there already
// where it accumulates; no atomics, no barriers.
// N, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, r: u32, n: u32, e: u32, stride: u32, offset: u32, accumulate: u32 }

@group(0) @binding(0) var<storage, read> h: array<vec4f>;
@group(0) @binding(1) var<storage, read> d: array<vec4f>;
@group(0) @binding(2) var<storage, read> segments: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

// Four ranks, four tokens in their order: c[r] += h[t][r] * d[t].
fn ranks4(c: ptr<function, array<vec4f, 4>>, h0: vec4f, h1: vec4f, h2: vec4f, h3: vec4f, d: mat4x4f) {
  (*c)[0] = (*c)[0] + h0.x * d[0] + h1.x * d[1] + h2.x * d[2] + h3.x * d[3];
  (*c)[1] = (*c)[1] + h0.y * d[0] + h1.y * d[1] + h2.y * d[2] + h3.y * d[3];
  (*c)[2] = (*c)[2] + h0.z * d[0] + h1.z * d[1] + h2.z * d[2] + h3.z * d[3];
  (*c)[3] = (*c)[3] + h0.w * d[0] + h1.w * d[1] + h2.w * d[2] + h3.w * d[3];
}

fn start_from(c: ptr<function, array<vec4f, 4>>, base: u32, rank: u32, column: u32) {
  let n4 = params.n / 4u;
  for (var i = 0u; i < 4u; i++) {
    (*c)[i] = arena[base + min(rank + i, params.r - 1u) * n4 + min(column, n4 - 1u)];
  }
}

fn store(c: ptr<function, array<vec4f, 4>>, base: u32, rank: u32, column: u32) {
  let n4 = params.n / 4u;
  if (column >= n4) { return; }
  for (var i = 0u; i < 4u; i++) {
    if (rank + i < params.r) { arena[base + (rank + i) * n4 + column] = (*c)[i]; }
  }
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let adapter = group.z;
  let start = segments[adapter * 2u];
  let end = segments[adapter * 2u + 1u];
  let rank = group.y * 16u;
  let column = group.x * 8u + lane;
  let n4 = params.n / 4u;
  let r4 = params.r / 4u;
  let at_rank = min(rank / 4u + lane % 4u, r4 - 1u);
  let at_column = min(column, n4 - 1u);
  let second = lane / 4u;
  let last = params.t - 1u;
  var c0: array<vec4f, 4>;
  var c1: array<vec4f, 4>;
  var c2: array<vec4f, 4>;
  var c3: array<vec4f, 4>;
  let base = (adapter * params.stride + params.offset) / 4u;
  if (params.accumulate != 0u) {
    start_from(&c0, base, rank, column);
    start_from(&c1, base, rank + 4u, column);
    start_from(&c2, base, rank + 8u, column);
    start_from(&c3, base, rank + 12u, column);
  }
  // Tokens past the end may be another adapter's: both factors are zeroed, for 0 * NaN is not 0.
  for (var t = start; t < end; t += 4u) {
    let first = select(vec4f(), h[min(t + second, last) * r4 + at_rank], t + second < end);
    let next = select(vec4f(), h[min(t + 2u + second, last) * r4 + at_rank], t + 2u + second < end);
    let block = mat4x4f(
      d[t * n4 + at_column],
      select(vec4f(), d[min(t + 1u, last) * n4 + at_column], t + 1u < end),
      select(vec4f(), d[min(t + 2u, last) * n4 + at_column], t + 2u < end),
      select(vec4f(), d[min(t + 3u, last) * n4 + at_column], t + 3u < end),
    );
    ranks4(&c0, subgroupShuffle(first, 0u), subgroupShuffle(first, 4u), subgroupShuffle(next, 0u), subgroupShuffle(next, 4u), block);
    ranks4(&c1, subgroupShuffle(first, 1u), subgroupShuffle(first, 5u), subgroupShuffle(next, 1u), subgroupShuffle(next, 5u), block);
    ranks4(&c2, subgroupShuffle(first, 2u), subgroupShuffle(first, 6u), subgroupShuffle(next, 2u), subgroupShuffle(next, 6u), block);
    ranks4(&c3, subgroupShuffle(first, 3u), subgroupShuffle(first, 7u), subgroupShuffle(next, 3u), subgroupShuffle(next, 7u), block);
  }
  store(&c0, base, rank, column);
  store(&c1, base, rank + 4u, column);
  store(&c2, base, rank + 8u, column);
  store(&c3, base, rank + 12u, column);
}
`;
export default code;
