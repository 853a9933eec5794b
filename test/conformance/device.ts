/** The device of a test file. */

import { afterAll, beforeAll } from 'vitest';
import { openGpu, type Gpu } from '@seal/device';
import { Kernels } from '@seal/kernels';

interface Opened {
  gpu: Gpu;
  core: Kernels;
}

/** A device and its kernels, there while the tests of a file run. */
export function openKernels(options?: Parameters<typeof openGpu>[0]): Readonly<Opened> {
  const opened = {} as Opened;
  beforeAll(async () => {
    opened.gpu = await openGpu(options);
    opened.core = new Kernels(opened.gpu.device, opened.gpu.description);
  });
  afterAll(() => {
    opened.core.destroy();
    opened.gpu.close();
  });
  return opened;
}
