/** Where the command keeps what it can make again. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** `$XDG_CACHE_HOME/seal`, else `~/.cache/seal`; the XDG rules ignore a relative path. */
export function cacheFolder(): string {
  const named = process.env['XDG_CACHE_HOME'];
  return join(named !== undefined && isAbsolute(named) ? named : join(homedir(), '.cache'), 'seal');
}
