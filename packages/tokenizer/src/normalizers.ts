/**
 * Normalizers of `tokenizer.json`: what is done to a text before it is cut into words. As Hugging Face's tokenizers 0.23.
 */

import { problemsOf } from '@seal/files';
import { type } from 'arktype';
import { readPattern, typed, unsupported } from './text-patterns.ts';

/** Text to text. */
export type Normalizer = (text: string) => string;

const MAX_STEPS = 64;
const KNOWN = ['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'Prepend', 'Replace', 'Strip', 'Sequence'];

const prependSchema = type({ prepend: 'string <= 256' });
const replaceSchema = type({ pattern: 'unknown', content: 'string <= 256' });
const stripSchema = type({ strip_left: 'boolean', strip_right: 'boolean' });
const sequenceSchema = type({ normalizers: `unknown[] <= ${MAX_STEPS}` });

/** Reads `normalizer`, null for none. Throws SyntaxError. */
export function readNormalizer(json: unknown, place: string, depth = 0): Normalizer {
  if (json === null || json === undefined) return (text) => text;
  const part = typed(json, 'normalizer', place);
  const check = <T>(value: T | type.errors): T => {
    if (value instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: normalizer ${part.type}: ${problemsOf(value)}`);
    return value;
  };
  switch (part.type) {
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = part.type;
      return (text) => text.normalize(form);
    }
    case 'Lowercase':
      // The reference maps character by character: a sigma at the end of a word is no exception.
      return (text) => text.replaceAll('Σ', 'σ').toLowerCase();
    case 'Prepend': {
      const { prepend } = check(prependSchema(part));
      return (text) => (text === '' ? '' : prepend + text);
    }
    case 'Replace': {
      const { pattern: source, content } = check(replaceSchema(part));
      const pattern = readPattern(source, place);
      return pattern ? (text) => text.replace(pattern, () => content) : (text) => text;
    }
    case 'Strip': {
      const { strip_left: left, strip_right: right } = check(stripSchema(part));
      return (text) => {
        const rest = left ? text.replace(/^\p{White_Space}+/u, '') : text;
        return right ? rest.replace(/(?<!\p{White_Space})\p{White_Space}+$/u, '') : rest;
      };
    }
    case 'Sequence': {
      const steps = check(sequenceSchema(part)).normalizers;
      if (depth > 8) throw new SyntaxError(`Cannot read ${place}: normalizers are nested too deeply`);
      const chain = steps.map((step) => readNormalizer(step, place, depth + 1));
      return (text) => chain.reduce((current, step) => step(current), text);
    }
    default:
      throw unsupported('normalizer', part.type, KNOWN, place);
  }
}
