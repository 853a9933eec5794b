/** One after another: who wants a turn waits until the one before has given it back. */

export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Settles when it is the caller's turn; what comes back lets the next one in. */
  async take(): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    return resolve;
  }

  /** Does something in a turn of its own. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const release = await this.take();
    try {
      return await work();
    } finally {
      release();
    }
  }
}
