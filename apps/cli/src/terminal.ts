/** What people see: lines on stderr, a progress bar on a terminal, documents on stdout. */

import { SingleBar, Presets } from 'cli-progress';
import type { PullProgress } from '@seal/hub';
import { counted, duration } from '@seal/report/text';
import type { Progress, Workbench } from '@seal/trainer';

/** A line for people, on stderr so that stdout stays a document. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The command's document on stdout: JSON, or text for people. */
export function print(document: string): void {
  process.stdout.write(document.endsWith('\n') ? document : `${document}\n`);
}

/** Says how many texts a bench broke off or cut so far, once for all of them. */
export function sayWhatBrokeOff({ broken, codec }: Workbench): void {
  const parts = [
    ...(broken.selfEdits > 0 ? [`${counted(broken.selfEdits, 'self-edit')} reached the most tokens and ended at the last whole sentence`] : []),
    ...(broken.answers > 0 ? [`${counted(broken.answers, 'answer')} reached the most tokens`] : []),
    ...(codec.cutDocuments > 0 ? [`${counted(codec.cutDocuments, 'training text')} did not fit whole`] : []),
  ];
  if (parts.length > 0) say(`${parts.join('; ')}.`);
}

/** `12345678` bytes as `12.3 MB`. */
export function megabytes(byteLength: number): string {
  return `${(byteLength / 1e6).toFixed(1)} MB`;
}

/** Says a line at the first of every subject, and then at most one every 15 seconds. */
export class SparseLines {
  #last = 0;
  #subject: string | null = null;

  say(subject: string, line: string): void {
    const now = performance.now();
    if (subject === this.#subject && now - this.#last < 15_000) return;
    this.#last = now;
    this.#subject = subject;
    say(line);
  }
}

/** Shows a download: a bar on a terminal, else a line for every file and every 15 seconds. */
export class TransferDisplay {
  #bar: SingleBar | null = null;
  #lines = new SparseLines();

  readonly show = ({ file, byteLength, totalBytes }: PullProgress): void => {
    const counts = `${megabytes(byteLength)} of ${megabytes(totalBytes)}`;
    if (process.stderr.isTTY) {
      if (!this.#bar) {
        const format = '{bar} {percentage} % | {counts} | {file} | {eta_formatted} left';
        this.#bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, barsize: 24 }, Presets.shades_classic);
        this.#bar.start(totalBytes, byteLength, { counts, file });
      }
      this.#bar.setTotal(totalBytes);
      this.#bar.update(byteLength, { counts, file });
      return;
    }
    this.#lines.say(file, `${counts} | ${file}`);
  };

  close(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}

/** Shows a run's progress: a bar on a terminal, else a line every 15 seconds and at every change of stage. */
export class ProgressDisplay {
  #bar: SingleBar | null = null;
  #lines = new SparseLines();

  constructor() {
    if (!process.stderr.isTTY) return;
    this.#bar = new SingleBar(
      { format: '{bar} {percentage} % | {stage} | {counts} | {left}', stream: process.stderr, hideCursor: true, barsize: 24 },
      Presets.shades_classic,
    );
    this.#bar.start(1, 0, { stage: 'starting', counts: '', left: '' });
  }

  show(progress: Progress): void {
    const stage = progress.round === null ? progress.stage : `round ${progress.round}: ${progress.stage}`;
    const counts =
      `${progress.selfEdits}/${progress.selfEditsPlanned} self-edits, ` +
      `${progress.writtenTokens > 0 ? `${progress.writtenTokens} tokens so far, ` : ''}` +
      `${progress.adaptations}/${progress.adaptationsPlanned} adaptations`;
    const left = progress.secondsLeft === null ? '' : `about ${duration(progress.secondsLeft)} left`;
    if (this.#bar) {
      this.#bar.setTotal(Math.max(1, progress.adaptationsPlanned));
      this.#bar.update(progress.adaptations, { stage, counts, left });
      return;
    }
    this.#lines.say(stage, [stage, counts, left].filter((part) => part !== '').join(' | '));
  }

  close(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}
