/**
 * A self-edit as training documents, the corrected way: bounded, cleaned, and with every refusal counted.
 *
 * How it departs from the reference (`paper-sequences.ts`): list markers, numbering, bold signs and runs of spaces are
 * no part of a statement; blank and repeated lines, headings and lead-ins ("Here is a list:") are dropped wherever they
 * stand; `---` within a line does not cut it; a question is kept with its answer in any numbering, and dropped without
 * one; the number and the length of documents are bounded, and what exceeds them is refused whole, never cut in
 * mid-sentence.
 */
import type { Context, ParsedSelfEdit, TrainingSequence } from '../domain.ts';
import { paperSequences, splitLines } from './paper-sequences.ts';

/** `paper` follows the reference to the character; `corrected` is bounded and cleaned. */
export type ParseMode = 'paper' | 'corrected';

/** What one self-edit may cost; lengths are counted in UTF-16 units. */
export interface SelfEditBounds {
  readonly maxSequences: number;
  /** Of one sequence, the title not counted. */
  readonly maxSequenceCharacters: number;
  /** Of the self-edit; the lines beyond are not looked at. */
  readonly maxCharacters: number;
}

/**
 * Twice the sequences of the wordiest recorded prompt (18.6 on average), the longest passage of the SQuAD development
 * set (4,063 characters), and about four characters for each of the 8,192 tokens that the reference generates at most.
 */
export const defaultBounds: SelfEditBounds = {
  maxSequences: 40,
  maxSequenceCharacters: 4_096,
  maxCharacters: 32_768,
};

const MARKER = /^(?:[-*+•‣◦▪●–—>]+\s+|\[[ xX]?\]\s+|\(?\d{1,3}[.)]\s+|\(?[a-z]\)\s+|\([ivx]{1,5}\)\s+)+/u;
const BARE_MARKER = /^(?:[-*+•‣◦▪●–—>]+|\(?\d{1,3}[.)])$/u;
const WORD = /[\p{L}\p{N}]/u;
const HEADING = /^#{1,6}\s|[:：]$/u;
const QUESTION = /^(?:Question|Q)\s*\d{0,3}\s*[.:)]\s*/i;
const ANSWER = /^(?:Answer|A)\s*\d{0,3}\s*:\s*/i;
/** What tokenizers read as control tokens: an edit may not write a document's end. */
const SPECIAL = /<\|[^<>|\s]{1,64}\|>|<\/?s>/;

type Reason =
  | 'blank line'
  | 'no words'
  | 'heading'
  | 'repeated'
  | 'special token'
  | 'question without an answer'
  | 'outside a question'
  | 'too long'
  | 'too many'
  | 'beyond the length bound';

type Refused = Map<Reason, number>;

function refuse(refused: Refused, reason: Reason, count = 1): void {
  if (count > 0) refused.set(reason, (refused.get(reason) ?? 0) + count);
}

/** A line without what lists and Markdown put around a statement. */
function bare(line: string): string {
  const plain = line.replace(/\s+/g, ' ').replace(/\*\*(.+?)\*\*/g, (_bold, inner: string) => inner).trim();
  const text = plain.replace(MARKER, '');
  return BARE_MARKER.test(text) ? '' : text;
}

/** Two statements are the same when they differ in case and the signs at their end alone. */
function sameness(text: string): string {
  let end = text.length;
  while (end > 0 && ' .!;,'.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end).toLowerCase();
}

/** The lines within the length bound; a line that crosses it is beyond it. */
function boundedLines(selfEdit: string, maxCharacters: number, refused: Refused): string[] {
  const lines = splitLines(selfEdit);
  if (selfEdit.length <= maxCharacters) return lines;
  // The sign put behind the cut makes an unfinished last line, which the slice drops, of whatever stands there.
  const within = splitLines(`${selfEdit.slice(0, maxCharacters + 1)}|`).slice(0, -1);
  refuse(refused, 'beyond the length bound', lines.length - within.length);
  return within;
}

/** The lines that say something, without their markers; blank ones stay as '' where they part blocks. */
function worded(lines: readonly string[], refused: Refused): string[] {
  return lines.flatMap((line) => {
    if (line.trim() === '') {
      refuse(refused, 'blank line');
      return [''];
    }
    const text = bare(line);
    if (WORD.test(text)) return [text];
    refuse(refused, 'no words');
    return [];
  });
}

/** Every line as a statement. */
function statements(lines: readonly string[], refused: Refused): string[] {
  return lines.filter((text) => {
    if (text === '') return false;
    if (!HEADING.test(text)) return true;
    refuse(refused, 'heading');
    return false;
  });
}

/**
 * Each question with its answer as one statement. The first line is a question without its mark when the prompt ended
 * in "Question 1:"; a blank line after an answer ends it.
 */
function questionsAndAnswers(lines: readonly string[], refused: Refused): string[] {
  const blocks: { question: string; answer: string; closed: boolean }[] = [];
  const first = lines.find((text) => text !== '');
  for (const text of lines) {
    const current = blocks.at(-1);
    if (text === '') {
      if (current !== undefined && current.answer !== '') current.closed = true;
    } else if (QUESTION.test(text) || (text === first && current === undefined && text.endsWith('?'))) {
      blocks.push({ question: text.replace(QUESTION, '').replace(MARKER, ''), answer: '', closed: false });
    } else if (current === undefined || current.closed) {
      refuse(refused, 'outside a question');
    } else if (ANSWER.test(text) || current.answer !== '') {
      current.answer = `${current.answer} ${text.replace(ANSWER, '')}`.trim();
    } else {
      current.question = `${current.question} ${text}`.trim();
    }
  }
  return blocks.flatMap(({ question, answer }) => {
    if (WORD.test(question) && WORD.test(answer)) return [`Question: ${question}\nAnswer: ${answer}`];
    refuse(refused, 'question without an answer');
    return [];
  });
}

function corrected(title: string, selfEdit: string, bounds: SelfEditBounds): ParsedSelfEdit {
  const refused: Refused = new Map();
  const lines = worded(boundedLines(selfEdit.toWellFormed(), bounds.maxCharacters, refused), refused);
  const asked = lines.some((text) => QUESTION.test(text)) || lines.find((text) => text !== '')?.endsWith('?') === true;
  const answered = lines.some((text) => ANSWER.test(text));
  const found = asked && answered ? questionsAndAnswers(lines, refused) : statements(lines, refused);
  const seen = new Set<string>();
  const sequences: TrainingSequence[] = [];
  for (const text of found) {
    if (text.length > bounds.maxSequenceCharacters) refuse(refused, 'too long');
    else if (SPECIAL.test(text)) refuse(refused, 'special token');
    else if (seen.has(sameness(text))) refuse(refused, 'repeated');
    else if (sequences.length >= bounds.maxSequences) refuse(refused, 'too many');
    else {
      seen.add(sameness(text));
      sequences.push({ prompt: '', text: `${title.trim()}\n${text}` });
    }
  }
  return { sequences, rejected: Array.from(refused, ([reason, count]) => ({ reason, count })) };
}

/**
 * A self-edit about a context as training sequences, the passage itself not among them; each is the title, a newline
 * and a statement. Never throws: what is no statement is counted by reason in `rejected`, in lines, or in questions for
 * a text of questions and answers.
 *
 * `paper` mode is the reference's single-passage setting (`v1`, one document a line) and refuses nothing; only the
 * `corrected` mode keeps to `bounds`.
 */
export function parseSelfEdit(
  context: Pick<Context, 'title' | 'text'>,
  selfEdit: string,
  mode: ParseMode,
  bounds: SelfEditBounds = defaultBounds,
): ParsedSelfEdit {
  if (mode === 'corrected') return corrected(context.title, selfEdit, bounds);
  const options = { variant: 'v1', split: true, passage: false } as const;
  const texts = paperSequences(context.title, context.text, selfEdit, options);
  return { sequences: texts.map((text) => ({ prompt: '', text })), rejected: [] };
}
