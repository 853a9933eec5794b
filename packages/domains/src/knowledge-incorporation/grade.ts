/**
 * Grading without a model: whether an answer gives the gold answer, by its words.
 *
 * Texts are compared as the SQuAD evaluation compares them: lower case, ASCII punctuation and English articles removed,
 * white space made single. Against the GPT-4.1 verdicts recorded by the reference these graders agree on about 85 %
 * (the calibration in `grade.test.ts`); a report that uses them says so.
 */

/** `exact`: nothing but the gold; `containment`: the gold's words in a row; `recall`: most of them, anywhere. */
export type GraderName = 'exact' | 'containment' | 'recall';

/** The share of the gold's words that `recall` asks for: agreement is lower at .5, and flat from .55 to .8. */
const RECALL = 0.6;

const PUNCTUATION = /[!-/:-@[-`{-~]/g;
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** A text as SQuAD compares it. */
export function normalizeAnswer(text: string): string {
  return text
    .toLowerCase()
    .replace(PUNCTUATION, '')
    .replace(ARTICLES, ' ')
    .split(/\s+/)
    .filter((word) => word !== '')
    .join(' ');
}

/** Both texts normalised, or only in lower case where nothing of the gold would be left (a gold of "the" or "%"). */
function comparable(answer: string, gold: string): readonly [answer: string, gold: string] {
  const normal = normalizeAnswer(gold);
  if (normal !== '') return [normalizeAnswer(answer), normal];
  const lower = (text: string): string => text.toLowerCase().trim().replace(/\s+/g, ' ');
  return [lower(answer), lower(gold)];
}

/** Whether the answer is the gold answer and no more. An empty gold is matched by nothing. */
export function exactMatch(answer: string, gold: string): boolean {
  const [given, wanted] = comparable(answer, gold);
  return wanted !== '' && given === wanted;
}

/** Whether the gold's words stand in the answer in a row; whole words, so that 5 is not in 1957. */
export function containment(answer: string, gold: string): boolean {
  const [given, wanted] = comparable(answer, gold);
  return wanted !== '' && ` ${given} `.includes(` ${wanted} `);
}

/** The share, from 0 to 1, of the gold's words that the answer has; a word counts as often as both have it. */
export function tokenRecall(answer: string, gold: string): number {
  const [given, wanted] = comparable(answer, gold);
  if (wanted === '') return 0;
  const left = new Map<string, number>();
  for (const word of given.split(' ')) left.set(word, (left.get(word) ?? 0) + 1);
  const words = wanted.split(' ');
  let found = 0;
  for (const word of words) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    found++;
  }
  return found / words.length;
}

const graders: Readonly<Record<GraderName, (answer: string, gold: string) => boolean>> = {
  exact: exactMatch,
  containment,
  recall: (answer, gold) => tokenRecall(answer, gold) >= RECALL,
};

/** A grader by name. Throws `RangeError` that lists the names when there is none of that name. */
export function grader(name: string): (answer: string, gold: string) => boolean {
  if (Object.hasOwn(graders, name)) return graders[name as GraderName];
  throw new RangeError(`Cannot find grader "${name}": use ${Object.keys(graders).join(', ')}`);
}
