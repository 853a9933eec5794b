/** An open device that is watched: every error WebGPU reports becomes a failure of the step that is running. */

import type { GpuDescription } from './describe.ts';
import { DeviceLostError, GpuError } from './errors.ts';

const SCOPES: readonly GPUErrorFilter[] = ['validation', 'out-of-memory', 'internal'];

/** A WebGPU device with its description. Made by `openGpu`; owns the device until `close`. */
export class Gpu {
  readonly device: GPUDevice;
  readonly description: GpuDescription;
  /** Resolves when the device is lost other than by `close`; never rejects. */
  readonly lost: Promise<DeviceLostError>;
  #closed = false;
  #loss: DeviceLostError | null = null;
  #uncaptured: string[] = [];
  #listener: (event: GPUUncapturedErrorEvent) => void;

  constructor(device: GPUDevice, description: GpuDescription) {
    this.device = device;
    this.description = description;
    this.#listener = (event) => {
      event.preventDefault();
      this.#uncaptured.push(`${kind(event.error)}: ${event.error.message}`);
    };
    device.addEventListener('uncapturederror', this.#listener);
    this.lost = new Promise((resolve) => {
      void device.lost.then(({ reason, message }) => {
        if (this.#closed) return;
        this.#loss = new DeviceLostError(reason, message);
        resolve(this.#loss);
      });
    });
  }

  /**
   * Throws DeviceLostError once the device is lost, and GpuError when WebGPU has reported errors outside `guard` since
   * the last call. Call it after waiting for a step's results: a refused submit otherwise reads back as zeros.
   */
  throwIfFailed(): void {
    if (this.#loss) throw this.#loss;
    if (this.#closed) throw new DeviceLostError('destroyed', 'it was closed');
    if (this.#uncaptured.length > 0) throw new GpuError('the last step', this.#uncaptured.splice(0));
  }

  /**
   * Runs `work` inside error scopes and throws GpuError with every message, or DeviceLostError. The scopes cover what
   * `work` does before it first awaits, so that guards may run side by side; later errors are found by the closing
   * `throwIfFailed`.
   *
   * ```ts
   * await gpu.guard('matmul', () => gpu.device.queue.submit([encoder.finish()]));
   * ```
   */
  async guard<T>(label: string, work: () => T | Promise<T>): Promise<T> {
    this.throwIfFailed();
    for (const scope of SCOPES) this.device.pushErrorScope(scope);
    let running: Promise<T>;
    try {
      running = Promise.resolve(work());
    } catch (cause) {
      running = Promise.reject(cause);
    }
    // Popping an empty stack or a lost device rejects; the loss itself is reported below.
    const scopes = SCOPES.map(() => this.device.popErrorScope().catch(() => null));
    const [outcome, ...errors] = await Promise.allSettled([running, ...scopes]);
    const messages = errors.flatMap((error) =>
      error.status === 'fulfilled' && error.value ? [`${kind(error.value)}: ${error.value.message}`] : [],
    );
    if (this.#loss) throw this.#loss;
    if (messages.length > 0) {
      const cause: unknown = outcome.status === 'rejected' ? outcome.reason : undefined;
      throw new GpuError(label, messages, cause === undefined ? undefined : { cause });
    }
    if (outcome.status === 'rejected') throw outcome.reason;
    this.throwIfFailed();
    return outcome.value;
  }

  /** Destroys the device and lets the process end. Safe to call twice, and after a loss. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.device.removeEventListener('uncapturederror', this.#listener);
    this.device.destroy();
  }
}

/** `GPUValidationError` as `validation`, and so on. */
function kind(error: GPUError): string {
  const name = error.constructor.name.replace(/^GPU|Error$/g, '');
  return name === '' ? 'error' : name.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase();
}
