/** Post-processors of `tokenizer.json`: which tokens stand before and behind a text. */

import { problemsOf, quoted } from '@seal/files';
import { type } from 'arktype';
import { typed, unsupported } from './text-patterns.ts';
import { checkId } from './vocabulary.ts';

/** Tokens around a text. */
export interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const KNOWN = ['ByteLevel', 'TemplateProcessing', 'Sequence'];
const sequenceSchema = type({ processors: 'unknown[] <= 64' });
const templateSchema = type({
  single: type({ 'Sequence?': { id: "'A'" }, 'SpecialToken?': { id: 'string' } }).array().atMostLength(64),
  special_tokens: type({ '[string]': { ids: 'number.integer[] <= 64' } }),
});

/** Reads `post_processor`, null for none. Throws SyntaxError. */
export function readPostProcessor(json: unknown, place: string, depth = 0): Frame {
  if (json === null || json === undefined) return { before: [], after: [] };
  const part = typed(json, 'post_processor', place);
  switch (part.type) {
    // It moves the offsets of tokens, which are not used.
    case 'ByteLevel':
      return { before: [], after: [] };
    case 'TemplateProcessing':
      return readTemplate(part, place);
    case 'Sequence': {
      const file = sequenceSchema(part);
      if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: post_processor: ${problemsOf(file)}`);
      if (depth > 8) throw new SyntaxError(`Cannot read ${place}: post_processors are nested too deeply`);
      const frames = file.processors.map((step) => readPostProcessor(step, place, depth + 1));
      return { before: frames.toReversed().flatMap(({ before }) => before), after: frames.flatMap(({ after }) => after) };
    }
    default:
      throw unsupported('post_processor', part.type, KNOWN, place);
  }
}

function readTemplate(json: object, place: string): Frame {
  const file = templateSchema(json);
  if (file instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: post_processor: ${problemsOf(file)}`);
  const texts = file.single.filter(({ Sequence }) => Sequence);
  if (texts.length !== 1) throw new SyntaxError(`Cannot use ${place}: post_processor has ${texts.length} places for the text, one is needed`);
  const text = file.single.findIndex(({ Sequence }) => Sequence);
  const idsOf = (pieces: typeof file.single): number[] =>
    pieces.flatMap(({ SpecialToken }) => {
      const name = SpecialToken?.id ?? '';
      const ids = Object.hasOwn(file.special_tokens, name) ? file.special_tokens[name]?.ids : undefined;
      if (!ids) throw new SyntaxError(`Cannot read ${place}: post_processor names ${quoted(name)}, which special_tokens has not`);
      for (const id of ids) checkId(name, id, place);
      return ids;
    });
  return { before: idsOf(file.single.slice(0, text)), after: idsOf(file.single.slice(text + 1)) };
}
