/**
 * Decoders of `tokenizer.json`: tokens to text, piece by piece, so that the whole text of a list of tokens and the text
 * that is complete after each of them come from the same code. As Hugging Face's tokenizers 0.23.
 *
 * `@huggingface/tokenizers` departs from it: `ByteFallback` reads invalid bytes as one mark for a run instead of one for
 * a byte, `ByteLevel` drops a byte order mark, and spaces before punctuation are closed up unless told otherwise.
 */

import { problemsOf } from '@seal/files';
import { type } from 'arktype';
import { BYTE_LETTERS } from './pre-tokenizers.ts';
import { readPattern, typed, unsupported } from './text-patterns.ts';

/** A decoder at work on one list of tokens: takes a piece, gives the pieces that are complete. */
interface Stage {
  push(piece: string): string[];
  /** What was held back. */
  end(): string[];
}

/** Makes the stages for one list of tokens. */
export type Decoder = () => Stage[];

const KNOWN = ['ByteLevel', 'ByteFallback', 'Fuse', 'Metaspace', 'Replace', 'Strip', 'WordPiece', 'Sequence'];
const MAX_STEPS = 64;
const letter = /^[^]$/u;
const metaspaceSchema = type({ replacement: letter, 'prepend_scheme?': "'always' | 'first' | 'never'", 'add_prefix_space?': 'boolean' });
const replaceSchema = type({ pattern: 'unknown', content: 'string <= 256' });
const stripSchema = type({ content: letter, start: '0 <= number.integer <= 64', stop: '0 <= number.integer <= 64' });
const wordPieceSchema = type({ prefix: 'string <= 64', 'cleanup?': 'false' });
const sequenceSchema = type({ decoders: `unknown[] <= ${MAX_STEPS}` });

const NO_PIECES: string[] = [];
const none = (): string[] => NO_PIECES;

/** Reads `decoder`, null for none: tokens are then parted by spaces. Throws SyntaxError. */
export function readDecoder(json: unknown, place: string): Decoder {
  const makers = json === null || json === undefined ? [spaced] : readStages(json, place, { isFused: false }, 0);
  return () => makers.map((make) => make());
}

/** Feeds a piece through stages. */
export function decodePiece(stages: readonly Stage[], piece: string): string {
  return stages.reduce((pieces, stage) => pieces.flatMap((part) => stage.push(part)), [piece]).join('');
}

/** What stages hold back at the end. */
export function decodeEnd(stages: readonly Stage[]): string {
  return stages.reduce<string[]>((pieces, stage) => [...pieces.flatMap((part) => stage.push(part)), ...stage.end()], []).join('');
}

/** `isFused`: pieces are parts of one text from here on, no longer tokens. */
interface Position {
  isFused: boolean;
}

function readStages(json: unknown, place: string, position: Position, depth: number): (() => Stage)[] {
  const part = typed(json, 'decoder', place);
  const check = <T>(value: T | type.errors): T => {
    if (value instanceof type.errors) throw new SyntaxError(`Cannot read ${place}: decoder ${part.type}: ${problemsOf(value)}`);
    return value;
  };
  /** A stage that asks for tokens gets one text as a whole once they are fused. */
  const ofTokens = (make: () => Stage): (() => Stage)[] => [position.isFused ? () => whole(make()) : make];
  switch (part.type) {
    case 'ByteLevel': {
      const stages = ofTokens(byteLevel);
      position.isFused = true;
      return stages;
    }
    case 'ByteFallback':
      return ofTokens(byteFallback);
    case 'Fuse':
      position.isFused = true;
      return [];
    case 'Metaspace': {
      const { replacement, prepend_scheme: scheme, add_prefix_space: legacy } = check(metaspaceSchema(part));
      const drops = (scheme ?? (legacy === false ? 'never' : 'always')) !== 'never';
      return ofTokens(() => numbered((token, index) => token.replaceAll(replacement, index === 0 && drops ? '' : ' ')));
    }
    case 'Replace': {
      const { pattern: source, content } = check(replaceSchema(part));
      const pattern = readPattern(source, place);
      return ofTokens(() => numbered((token) => (pattern ? token.replace(pattern, () => content) : token)));
    }
    case 'Strip': {
      const { content, start, stop } = check(stripSchema(part));
      if (position.isFused && stop === 0) return [() => stripStart(content, start)];
      return ofTokens(() => numbered((token) => strip(token, content, start, stop)));
    }
    case 'WordPiece': {
      const { prefix } = check(wordPieceSchema(part));
      const joined = (token: string): string => (token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`);
      return ofTokens(() => numbered((token, index) => (index === 0 ? token : joined(token))));
    }
    case 'Sequence':
      if (depth > 8) throw new SyntaxError(`Cannot read ${place}: decoders are nested too deeply`);
      return check(sequenceSchema(part)).decoders.flatMap((step) => readStages(step, place, position, depth + 1));
    default:
      throw unsupported('decoder', part.type, KNOWN, place);
  }
}

/** Maps every token by its place. */
function numbered(map: (token: string, index: number) => string): Stage {
  let index = 0;
  return { push: (token) => [map(token, index++)], end: none };
}

const spaced = (): Stage => numbered((token, index) => (index === 0 ? token : ` ${token}`));

/** Hands everything over as one piece at the end. */
function whole(stage: Stage): Stage {
  let text = '';
  return {
    push(piece) {
      text += piece;
      return [];
    },
    end: () => [...stage.push(text), ...stage.end()],
  };
}

const BYTE_OF_LETTER: ReadonlyMap<string, number> = new Map(BYTE_LETTERS.map((spelled, byte) => [spelled, byte]));
const utf8 = new TextEncoder();

/** A token's letters as bytes; a token with any other letter is text. */
function byteLevel(): Stage {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push(token) {
      const bytes = Array.from(token, (spelled) => BYTE_OF_LETTER.get(spelled));
      const known = bytes.every((byte) => byte !== undefined);
      return [decoder.decode(known ? Uint8Array.from(bytes) : utf8.encode(token), { stream: true })];
    },
    end: () => [decoder.decode()],
  };
}

/** Runs of `<0x..>` are UTF-8; where a run is not, each byte is a replacement character. */
function byteFallback(): Stage {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let run: number[] = [];
  const flush = (): string[] => {
    if (run.length === 0) return [];
    const bytes = Uint8Array.from(run);
    run = [];
    try {
      return [decoder.decode(bytes)];
    } catch {
      return Array.from(bytes, () => '\ufffd');
    }
  };
  return {
    push(token) {
      const byte = /^<0x([0-9a-fA-F]{2})>$/.exec(token)?.[1];
      if (byte === undefined) return [...flush(), token];
      run.push(Number.parseInt(byte, 16));
      return [];
    },
    end: flush,
  };
}

/** Cuts up to `start` of a letter from the beginning of a text that comes in parts. */
function stripStart(content: string, start: number): Stage {
  let left = start;
  return {
    push(piece) {
      let rest = piece;
      while (left > 0 && rest !== '') {
        if (!rest.startsWith(content)) left = 0;
        else {
          rest = rest.slice(content.length);
          left--;
        }
      }
      return [rest];
    },
    end: none,
  };
}

function strip(token: string, content: string, start: number, stop: number): string {
  let rest = token;
  for (let i = 0; i < start && rest.startsWith(content); i++) rest = rest.slice(content.length);
  for (let i = 0; i < stop && rest.endsWith(content); i++) rest = rest.slice(0, -content.length);
  return rest;
}
