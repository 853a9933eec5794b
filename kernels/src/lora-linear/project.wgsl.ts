// H = scaling * X A_e^T, turned on its side: one workgroup is one subgroup of 8 lanes and computes 16 ranks of 32 tokens
// of one adapter. Lane l holds tokens 4l..4l+3 for all 16 ranks; rank rows of A_e are loaded one per lane and handed
// round. No barriers, no workgroup memory. K, R, stride and offset are multiples of 4.
const code: string = /* wgsl */ `
struct Params { t: u32, k: u32, r: u32, e: u32, stride: u32, offset: u32, tiles: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> arena: array<vec4f>;
@group(0) @binding(2) var<storage, read> tiles: array<u32>;
@group(0) @binding(3) var<storage, read> scaling: array<f32>;
@group(0) @binding(4) var<storage, read_write> h: array<vec4f>;
@group(0) @binding(5) var<uniform> params: Params;

// Writes four ranks of the lane's four tokens.
fn store(token: u32, end: u32, rank4: u32, c: mat4x4f) {
  let r4 = params.r / 4u;
  if (rank4 >= r4) { return; }
  let by_token = transpose(c);
  for (var j = 0u; j < 4u; j++) {
    if (token + j < end) { h[(token + j) * r4 + rank4] = by_token[j]; }
  }
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let tile = group.x * 3u;
  let adapter = tiles[tile];
  let token = tiles[tile + 1u] + 4u * lane;
  let end = tiles[tile + 2u];
  let k4 = params.k / 4u;
  let rank = group.y * 16u;
  let base = (adapter * params.stride + params.offset) / 4u;
  let a0 = base + min(rank + lane, params.r - 1u) * k4;
  let a1 = base + min(rank + 8u + lane, params.r - 1u) * k4;
  let last = end - 1u;
  let x0 = min(token, last) * k4;
  let x1 = min(token + 1u, last) * k4;
  let x2 = min(token + 2u, last) * k4;
  let x3 = min(token + 3u, last) * k4;
  var c0: array<vec4f, 8>;
  var c1: array<vec4f, 8>;
  for (var k = 0u; k < k4; k++) {
    let block = transpose(mat4x4f(x[x0 + k], x[x1 + k], x[x2 + k], x[x3 + k]));
    multiply_rows(&c0, arena[a0 + k], block);
    multiply_rows(&c1, arena[a1 + k], block);
  }
  let s = scaling[adapter];
  let rank4 = rank / 4u;
  store(token, end, rank4, s * mat4x4f(c0[0], c0[1], c0[2], c0[3]));
  store(token, end, rank4 + 1u, s * mat4x4f(c0[4], c0[5], c0[6], c0[7]));
  store(token, end, rank4 + 2u, s * mat4x4f(c1[0], c1[1], c1[2], c1[3]));
  store(token, end, rank4 + 3u, s * mat4x4f(c1[4], c1[5], c1[6], c1[7]));
}
`;
export default code;
