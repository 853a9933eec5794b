/** A verb of the engine as a command: what it tells is shown, what it gives is printed. */

import type { Deps, Hooks } from '@seal/engine';
import { writeWhole } from '@seal/files/node';
import { deps } from './deps.ts';
import { stopSignal } from './stop.ts';
import { EventDisplay, print, type Shown } from './terminal.ts';

/** What every command may be asked. */
interface Asked {
  readonly json: boolean;
  readonly verbose?: boolean;
  readonly maxTime?: string | undefined;
}

/**
 * Runs a verb and prints its document, as JSON or as `text`; returns it. Where `stops`, Ctrl-C, SIGTERM and --max-time end it
 * in good order.
 */
export async function perform<Document>(
  asked: Asked,
  verb: (deps: Deps, hooks: Hooks) => Promise<Document>,
  text: (document: Document) => string,
  { stops = true, ...shown }: Shown & { readonly stops?: boolean } = {},
): Promise<Document> {
  const display = new EventDisplay(shown);
  const stop = stops ? stopSignal(asked.maxTime) : null;
  try {
    const document = await verb(deps(asked), { signal: stop?.signal, onEvent: display.show });
    display.close();
    print(asked.json ? JSON.stringify(document) : text(document));
    return document;
  } finally {
    display.close();
    stop?.dispose();
  }
}

/** A document, written to a file too where one is named. */
export function kept<Document>(out: string | undefined, document: Document): Document {
  if (out !== undefined) writeWhole(out, `${JSON.stringify(document)}\n`);
  return document;
}
