/** Errors that a caller of this package may want to catch by class. */

/** No usable WebGPU adapter. `reasons` says what was tried, `remedy` what to do; the message holds both. */
export class NoAdapterError extends Error {
  override readonly name = 'NoAdapterError';
  readonly kind = 'unavailable';
  readonly reasons: readonly string[];
  readonly remedy: string;

  constructor(reasons: readonly string[], remedy: string, options?: ErrorOptions) {
    super(describeNoAdapter(reasons, remedy), options);
    this.reasons = reasons;
    this.remedy = remedy;
  }
}

/** The device is gone; nothing it was asked since can be trusted. */
export class DeviceLostError extends Error {
  override readonly name = 'DeviceLostError';
  readonly kind = 'training';
  readonly reason: GPUDeviceLostReason;

  constructor(reason: GPUDeviceLostReason, message: string) {
    super(`The GPU device was lost (${reason}): ${message || 'no cause given'}`);
    this.reason = reason;
  }
}

/** The GPU refused work: a validation, out-of-memory or internal error of WebGPU. */
export class GpuError extends Error {
  override readonly name = 'GpuError';
  readonly kind = 'training';
  /** Every error reported, as `kind: message`. */
  readonly messages: readonly string[];

  constructor(label: string, messages: readonly string[], options?: ErrorOptions) {
    super(`Cannot run ${label} on the GPU: ${messages.join('; ')}`, options);
    this.messages = messages;
  }
}

/** The text a user reads where no adapter was found. */
export function describeNoAdapter(reasons: readonly string[], remedy: string): string {
  return `No usable WebGPU adapter: ${reasons.join('; ')}. ${remedy}`;
}
