/** `seal pull`: a model from the hub into the cache. */

import { afterStop, Problem, problemsAs } from '@seal/files';
import { pull as load } from '@seal/hub';
import { hubAccess, hubCache, isOffline } from './hub.ts';
import type { CommandOf } from './options.ts';
import { stopSignal } from './stop.ts';
import { megabytes, print, say, TransferDisplay } from './terminal.ts';

export async function pull(command: CommandOf<'pull'>): Promise<void> {
  if (isOffline()) {
    throw new Problem('usage', `Cannot pull ${command.name}: HF_HUB_OFFLINE is set; unset it. What is cached is found without pulling`);
  }
  const { signal, dispose } = stopSignal(undefined);
  const display = new TransferDisplay();
  try {
    const options = { ...hubAccess(), cacheDirectory: hubCache(), signal, onProgress: display.show, onRetry: say };
    // A name that is none and an address that is none are all that can be wrong without a HubError.
    const pulled = await problemsAs('usage', () => load(command.name, options));
    display.close();
    const files = pulled.files.map(({ path, byteLength, status }) => `  ${path}  ${megabytes(byteLength)}${status === 'loaded' ? '' : `  ${status}`}`);
    print(
      command.json
        ? JSON.stringify(pulled)
        : [`${pulled.name} at ${pulled.commit}`, ...files, `${megabytes(pulled.receivedBytes)} loaded into ${pulled.directory}`].join('\n'),
    );
  } catch (error) {
    throw afterStop(error, 'what came is kept. Go on with the same command');
  } finally {
    display.close();
    dispose();
  }
}
