/** The compiled kernels of a device, which all models on it share. */

import type { Gpu } from '@seal/device';
import { Kernels, type ChoiceOptions } from '@seal/kernels';

/** By the choice of variants. They live as long as their device. */
const kernelsByDevice = new WeakMap<GPUDevice, Map<string, Kernels>>();

/** The kernels of a device that choose as `choice` says: compiled once, whoever asks. Nobody destroys them. */
export function kernelsOf({ device, description }: Gpu, { choices = [], halfOperands = false }: ChoiceOptions): Kernels {
  const made = kernelsByDevice.get(device) ?? new Map<string, Kernels>();
  kernelsByDevice.set(device, made);
  const key = JSON.stringify([choices, halfOperands]);
  const known = made.get(key) ?? new Kernels(device, description, { choices, halfOperands });
  made.set(key, known);
  return known;
}
