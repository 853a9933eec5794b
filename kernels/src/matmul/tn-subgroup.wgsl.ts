// C = A^T B. One workgroup is one subgroup of 8 lanes and computes a tile of 32 rows by 32 columns: for each k lane l
// loads rows 4l..4l+3 of A^T as one vec4 and columns 4l..4l+3 of B as another. No barriers, no workgroup memory.
// M, N, lda and ldc are multiples of 4.
const code: string = /* wgsl */ `
// Four rows of the tile: c[r] += a[r] * b.
fn rows4(c: ptr<function, array<vec4f, 4>>, a: vec4f, b: vec4f) {
  (*c)[0] += a.x * b;
  (*c)[1] += a.y * b;
  (*c)[2] += a.z * b;
  (*c)[3] += a.w * b;
}

@compute @workgroup_size(8)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) group: vec3u) {
  let row = group.y * 32u;
  let column = group.x * 8u + lane;
  let m4 = params.m / 4u;
  let n4 = params.n / 4u;
  let lda4 = params.lda / 4u;
  var at_a = min(group.y * 8u + lane, m4 - 1u);
  var at_b = min(column, n4 - 1u);
  var c0: array<vec4f, 4>;
  var c1: array<vec4f, 4>;
  var c2: array<vec4f, 4>;
  var c3: array<vec4f, 4>;
  var c4: array<vec4f, 4>;
  var c5: array<vec4f, 4>;
  var c6: array<vec4f, 4>;
  var c7: array<vec4f, 4>;
  for (var k = 0u; k < params.k; k++) {
    let own = a[at_a];
    let right = b[at_b];
    rows4(&c0, subgroupShuffle(own, 0u), right);
    rows4(&c1, subgroupShuffle(own, 1u), right);
    rows4(&c2, subgroupShuffle(own, 2u), right);
    rows4(&c3, subgroupShuffle(own, 3u), right);
    rows4(&c4, subgroupShuffle(own, 4u), right);
    rows4(&c5, subgroupShuffle(own, 5u), right);
    rows4(&c6, subgroupShuffle(own, 6u), right);
    rows4(&c7, subgroupShuffle(own, 7u), right);
    at_a += lda4;
    at_b += n4;
  }
  for (var r = 0u; r < 4u; r++) {
    store(row + r, column, c0[r]);
    store(row + 4u + r, column, c1[r]);
    store(row + 8u + r, column, c2[r]);
    store(row + 12u + r, column, c3[r]);
    store(row + 16u + r, column, c4[r]);
    store(row + 20u + r, column, c5[r]);
    store(row + 24u + r, column, c6[r]);
    store(row + 28u + r, column, c7[r]);
  }
}
`;
export default code;
