/** What people see: lines on stderr, a bar on a terminal, documents on stdout. */

import { SingleBar, Presets } from 'cli-progress';
import type { EngineEvent } from '@seal/engine';
import { duration } from '@seal/report/text';
import type { Progress } from '@seal/trainer';
import { inWords } from './words-of-problems.ts';

/** A line for people, on stderr so that stdout stays a document. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The command's document on stdout: JSON, or text for people. */
export function print(document: string): void {
  process.stdout.write(document.endsWith('\n') ? document : `${document}\n`);
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

/** How far something is: a bar on a terminal, else sparse lines of the same fields. */
class Bar {
  #bar: SingleBar | null = null;
  #lines = new SparseLines();
  #format: string;

  constructor(format: string) {
    this.#format = format;
  }

  show(value: number, total: number, subject: string, fields: Readonly<Record<string, string>>): void {
    if (!process.stderr.isTTY) {
      return this.#lines.say(subject, Object.values(fields).filter((part) => part !== '').join(' | '));
    }
    if (!this.#bar) {
      this.#bar = new SingleBar({ format: this.#format, stream: process.stderr, hideCursor: true, barsize: 24 }, Presets.shades_classic);
      this.#bar.start(total, value, fields);
    }
    this.#bar.setTotal(total);
    this.#bar.update(value, fields);
  }

  close(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}

/** Shows a run's progress. */
export class ProgressDisplay {
  #bar = new Bar('{bar} {percentage} % | {stage} | {counts} | {left}');

  constructor() {
    if (process.stderr.isTTY) this.#bar.show(0, 1, '', { stage: 'starting', counts: '', left: '' });
  }

  show(progress: Progress): void {
    const stage = progress.round === null ? progress.stage : `round ${progress.round}: ${progress.stage}`;
    const counts =
      `${progress.selfEdits}/${progress.selfEditsPlanned} self-edits, ` +
      `${progress.writtenTokens > 0 ? `${progress.writtenTokens} tokens so far, ` : ''}` +
      `${progress.adaptations}/${progress.adaptationsPlanned} adaptations` +
      (progress.underWay ? ` (${progress.underWay.adapters} under way: ${progress.underWay.steps} of ${progress.underWay.stepsPlanned} steps)` : '');
    const left = progress.secondsLeft === null ? '' : `about ${duration(progress.secondsLeft)} left`;
    this.#bar.show(progress.adaptations, Math.max(1, progress.adaptationsPlanned), stage, { stage, counts, left });
  }

  close(): void {
    this.#bar.close();
  }
}

/** What one command shows in its own way. */
export interface Shown {
  /** Pieces of text go to stdout as they come. */
  readonly pieces?: boolean;
  /** Steps between two lines about them; every step has its line unless given. */
  readonly stepsEvery?: number;
  /** Takes the lines of what is measured; they are said unless given. */
  readonly line?: (line: string) => void;
}

type EventOf<Type extends EngineEvent['type']> = Extract<EngineEvent, { readonly type: Type }>;

/** Shows what a verb tells. */
export class EventDisplay {
  #lines = new SparseLines();
  #transfer = new Bar('{bar} {percentage} % | {counts} | {file} | {eta_formatted} left');
  #run: ProgressDisplay | null = null;
  #shown: Shown;

  constructor(shown: Shown = {}) {
    this.#shown = shown;
  }

  readonly show = (event: EngineEvent): void => {
    switch (event.type) {
      case 'note':
        return say(event.verb ? `seal: ${inWords(event.message, event.verb)}` : inWords(event.message));
      case 'progress':
        return this.#lines.say(event.subject, inWords(event.message));
      case 'steps':
        return this.#steps(event);
      case 'piece':
        if (this.#shown.pieces) process.stdout.write(event.text);
        return;
      case 'transfer': {
        const { file, byteLength, totalBytes } = event.progress;
        return this.#transfer.show(byteLength, totalBytes, file, { counts: `${megabytes(byteLength)} of ${megabytes(totalBytes)}`, file });
      }
      case 'tensor':
        return say(tensorLine(event));
      case 'measured':
        return (this.#shown.line ?? say)(measuredLine(event));
      case 'run':
        this.#run ??= new ProgressDisplay();
        return this.#run.show(event.progress);
    }
  };

  #steps({ steps, total, secondsLeft }: EventOf<'steps'>): void {
    const { stepsEvery } = this.#shown;
    for (const { step, loss, learningRate } of steps) {
      const done = step + 1;
      const line = `step ${done}/${total}  loss ${loss.toFixed(4)}`;
      if (stepsEvery === undefined) say(`${line}  learning rate ${learningRate.toPrecision(3)}`);
      else if (done % stepsEvery === 0 || done === total) say(`${line}  about ${duration(secondsLeft)} left`);
    }
  }

  close(): void {
    this.#transfer.close();
    this.#run?.close();
    this.#run = null;
  }
}

const WORST_CHANNELS = 3;

/** A line for a tensor: how it is held, what packing lost of an output channel on average, and the channels that lost most. */
function tensorLine({ tensor: { name, shape, format, channelErrors } }: EventOf<'tensor'>): string {
  const held = `${name} (${shape.join(', ')}) ${format}`;
  if (channelErrors.length === 0) return held;
  const percent = (share: number) => `${(100 * share).toPrecision(3)} %`;
  const mean = channelErrors.reduce((sum, error) => sum + error, 0) / channelErrors.length;
  const worst = [...channelErrors.keys()]
    .toSorted((a, b) => (channelErrors[b] ?? 0) - (channelErrors[a] ?? 0))
    .slice(0, WORST_CHANNELS)
    .map((channel) => `${channel} (${percent(channelErrors[channel] ?? 0)})`);
  return `${held}: ${percent(mean)} of an output channel lost, most of ${worst.join(', ')}`;
}

function measuredLine({ row: { op, shape, variant, standard, medianMs, speedup } }: EventOf<'measured'>): string {
  const gain = variant === standard ? '' : `  ${speedup.toFixed(2)} x ${standard}`;
  return `${`${op} ${shape}`.padEnd(56)} ${variant.padEnd(16)} ${medianMs.toFixed(3).padStart(9)} ms${gain}`;
}
