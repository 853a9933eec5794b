import process from 'node:process';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { stopSignal } from './stop.ts';

const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as never);
const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
afterEach(() => {
  exit.mockClear();
  stderr.mockClear();
});

afterAll(() => {
  exit.mockRestore();
  stderr.mockRestore();
});

// `timeout` of coreutils sends SIGTERM to the process and then to its group.
it('goes on stopping in good order when it is asked to again by other than Ctrl-C', async () => {
  const { signal, dispose } = stopSignal('0.05s');
  try {
    process.emit('SIGTERM');
    process.emit('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(signal.reason).toMatchObject({ message: 'Stopped by SIGTERM' });
    expect(exit).not.toHaveBeenCalled();
  } finally {
    dispose();
  }
});

it('ends at once at a second Ctrl-C', () => {
  const { signal, dispose } = stopSignal(undefined);
  try {
    process.emit('SIGINT');
    expect(exit).not.toHaveBeenCalled();
    process.emit('SIGINT');
    expect(exit).toHaveBeenCalledWith(130);
    expect(signal.aborted).toBe(true);
  } finally {
    dispose();
  }
});
