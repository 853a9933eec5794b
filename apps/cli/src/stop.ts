/** Stopping in good order: Ctrl-C, SIGTERM and --max-time. */

import { Problem, Stopped } from '@seal/files';
import { say } from './terminal.ts';

/** `90s`, `5m`, `1h` or `120` in milliseconds. Throws a problem for anything else. */
function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(s|m|h)?$/.exec(text);
  const value = Number(match?.[1]);
  if (!match || !(value > 0)) {
    throw new Problem('usage', `Cannot use --max-time ${text}: write a time such as 90s, 5m or 1h`);
  }
  return value * { s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 's' | 'm' | 'h' | undefined ?? 's'];
}

/** A signal that aborts with Stopped. A second Ctrl-C ends the process at once; what else asks again is not heard. */
export function stopSignal(maxTime: string | undefined): { readonly signal: AbortSignal; readonly dispose: () => void } {
  const controller = new AbortController();
  const stop = (why: string) => {
    if (!controller.signal.aborted) controller.abort(new Stopped(why));
  };
  const interrupted = () => {
    if (controller.signal.aborted) process.exit(130);
    stop('Stopped by Ctrl-C');
    say('stopping after the step under way; again to stop now');
  };
  const terminated = () => stop('Stopped by SIGTERM');
  const timer = maxTime === undefined ? null : setTimeout(() => stop(`Stopped after --max-time ${maxTime}`), parseDuration(maxTime));
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', terminated);
  return {
    signal: controller.signal,
    dispose() {
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', terminated);
      if (timer) clearTimeout(timer);
    },
  };
}
