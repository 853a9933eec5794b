import { expect, test } from 'vitest';
import { classify } from './index.ts';

const info = (vendor: string, architecture: string, description: string, isFallbackAdapter = false) => ({
  vendor,
  architecture,
  description,
  isFallbackAdapter,
});

test.each([
  [info('mesa', 'software', 'llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)'), 'cpu'],
  [info('65541', '', 'llvmpipe (LLVM 15.0.6, 256 bits)'), 'cpu'],
  [info('google', 'swiftshader', ''), 'cpu'],
  [info('', '', '', true), 'cpu'],
  [info('nvidia', 'hopper', 'NVIDIA: 570.1'), 'discrete'],
  [info('nvidia', 'ampere', 'Orin (nvgpu)'), 'integrated'],
  [info('apple', 'metal-3', 'Apple M2'), 'integrated'],
  [info('intel', 'gen-12lp', 'Intel(R) Iris(R) Xe Graphics'), 'integrated'],
  [info('intel', 'xe-2hpg', 'Intel(R) Arc(TM) B580 Graphics'), 'discrete'],
  [info('intel', 'xe-lpg', 'Intel(R) Arc(TM) Graphics'), 'integrated'],
  [info('amd', 'rdna-3', 'AMD Radeon RX 7900 XTX (RADV NAVI31)'), 'discrete'],
  [info('amd', 'rdna-3', 'AMD Radeon 780M Graphics (RADV PHOENIX)'), 'integrated'],
  [info('amd', 'rdna-3', 'radv'), 'unknown'],
  [info('', '', ''), 'unknown'],
] as const)('classify %o as %s', (names, expected) => {
  expect(classify(names)).toBe(expected);
});
