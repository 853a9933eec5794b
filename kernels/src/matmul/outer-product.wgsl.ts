// Register tiles for 8-lane subgroups: 8 rows of A lie one per lane, every value is handed to all lanes by a shuffle
// with a constant lane (one permutation here, where a broadcast takes three instructions), and each lane adds its own
// four columns. Written out: lane numbers must be constants.
const code: string = /* wgsl */ `
fn rank4(c: vec4f, a: vec4f, b: mat4x4f) -> vec4f {
  return c + a.x * b[0] + a.y * b[1] + a.z * b[2] + a.w * b[3];
}

// c[r] += (four values of k of the row that lane r holds) * b, for r in 0..8.
fn multiply_rows(c: ptr<function, array<vec4f, 8>>, a: vec4f, b: mat4x4f) {
  (*c)[0] = rank4((*c)[0], subgroupShuffle(a, 0u), b);
  (*c)[1] = rank4((*c)[1], subgroupShuffle(a, 1u), b);
  (*c)[2] = rank4((*c)[2], subgroupShuffle(a, 2u), b);
  (*c)[3] = rank4((*c)[3], subgroupShuffle(a, 3u), b);
  (*c)[4] = rank4((*c)[4], subgroupShuffle(a, 4u), b);
  (*c)[5] = rank4((*c)[5], subgroupShuffle(a, 5u), b);
  (*c)[6] = rank4((*c)[6], subgroupShuffle(a, 6u), b);
  (*c)[7] = rank4((*c)[7], subgroupShuffle(a, 7u), b);
}
`;
export default code;
