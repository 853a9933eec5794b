// Sum and maximum over a workgroup of 256 invocations by a tree in workgroup memory, the same order each time.
// 1 KiB of workgroup memory, ten barriers each; to be called in uniform control flow.
const code: string = /* wgsl */ `
var<workgroup> partial: array<f32, 256>;

fn sum_across(value: f32, local: u32) -> f32 {
  workgroupBarrier();
  partial[local] = value;
  workgroupBarrier();
  for (var width = 128u; width > 0u; width /= 2u) {
    if (local < width) { partial[local] += partial[local + width]; }
    workgroupBarrier();
  }
  return partial[0];
}

fn largest_across(value: f32, local: u32) -> f32 {
  workgroupBarrier();
  partial[local] = value;
  workgroupBarrier();
  for (var width = 128u; width > 0u; width /= 2u) {
    if (local < width) { partial[local] = max(partial[local], partial[local + width]); }
    workgroupBarrier();
  }
  return partial[0];
}
`;
export default code;
