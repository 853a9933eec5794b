// dL_e (R, N) = sum over the tokens of segment e of H[t]^T D[t], written over its place in the gradient arena.
// One workgroup is one subgroup of 8 lanes and computes 16 ranks by 32 columns of one adapter, two tokens at a time:
// lanes 0-3 load the first token's 16 ranks, lanes 4-7 the second's. Fixed order, no atomics, no barriers.
// N, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, r: u32, n: u32, e: u32, stride: u32, offset: u32 }

@group(0) @binding(0) var<storage, read> h: array<vec4f>;
@group(0) @binding(1) var<storage, read> d: array<vec4f>;
@group(0) @binding(2) var<storage, read> segments: array<u32>;
@group(0) @binding(3) var<storage, read_write> arena: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

fn ranks4(c: ptr<function, array<vec4f, 4>>, h: vec4f, d: vec4f) {
  (*c)[0] += h.x * d;
  (*c)[1] += h.y * d;
  (*c)[2] += h.z * d;
  (*c)[3] += h.w * d;
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
  var c0: array<vec4f, 4>;
  var c1: array<vec4f, 4>;
  var c2: array<vec4f, 4>;
  var c3: array<vec4f, 4>;
  for (var t = start; t < end; t += 2u) {
    let own = h[min(t + second, params.t - 1u) * r4 + at_rank];
    let d0 = d[t * n4 + at_column];
    // The last token of an odd segment has no partner: it meets zeros.
    let d1 = select(vec4f(), d[min(t + 1u, params.t - 1u) * n4 + at_column], t + 1u < end);
    ranks4(&c0, subgroupShuffle(own, 0u), d0);
    ranks4(&c1, subgroupShuffle(own, 1u), d0);
    ranks4(&c2, subgroupShuffle(own, 2u), d0);
    ranks4(&c3, subgroupShuffle(own, 3u), d0);
    ranks4(&c0, subgroupShuffle(own, 4u), d1);
    ranks4(&c1, subgroupShuffle(own, 5u), d1);
    ranks4(&c2, subgroupShuffle(own, 6u), d1);
    ranks4(&c3, subgroupShuffle(own, 7u), d1);
  }
  let base = (adapter * params.stride + params.offset) / 4u;
  store(&c0, base, rank, column);
  store(&c1, base, rank + 4u, column);
  store(&c2, base, rank + 8u, column);
  store(&c3, base, rank + 12u, column);
}
`;
export default code;
