/**
 * Regular expressions over module names, as PEFT takes them for target modules: Python's syntax, matched whole.
 *
 * They come from a file that nobody vouches for, so they are not handed to a matcher that backtracks. Each node of the
 * expression gives all ends of its matches from a position, remembered per position: the work is bounded by
 * nodes x length^2, whatever the expression. What that cannot express (back references, lookbehind, flags) is refused.
 */

/** All ends of matches in `text` that start at a position: bit i is set where one ends before character i. */
type Ends = (text: string, from: number) => bigint;
type CharacterTest = (character: string) => boolean;

const MAX_LENGTH = 1_000;
const MAX_REPEATS = 1_000;

const isDigit: CharacterTest = (c) => c >= '0' && c <= '9';
const isWord: CharacterTest = (c) => /^\w$/.test(c);
const isSpace: CharacterTest = (c) => /^\s$/.test(c);
const CLASSES: Readonly<Record<string, CharacterTest>> = {
  d: isDigit,
  w: isWord,
  s: isSpace,
  D: (c) => !isDigit(c),
  W: (c) => !isWord(c),
  S: (c) => !isSpace(c),
};

/**
 * Compiles an expression into a test of whole names. `place` names it in messages. Throws SyntaxError for one that is
 * longer than 1,000 characters, malformed or beyond what is matched.
 */
export function modulePattern(pattern: string, place: string): (name: string) => boolean {
  if (pattern.length > MAX_LENGTH) {
    throw new SyntaxError(`Cannot use ${place}: an expression of ${pattern.length} characters is longer than ${MAX_LENGTH}`);
  }
  const ends = new PatternReader(pattern, place).read();
  return (name) => (ends(name, 0) & bit(name.length)) > 0n;
}

const bit = (position: number) => 1n << BigInt(position);

/** Remembers the last text's results. */
function remembered(ends: Ends): Ends {
  let last: string | null = null;
  let found: bigint[] = [];
  return (text, from) => {
    if (text !== last) {
      last = text;
      found = [];
    }
    return (found[from] ??= ends(text, from));
  };
}

const character = (test: CharacterTest): Ends => (text, from) => (from < text.length && test(text.charAt(from)) ? bit(from + 1) : 0n);

const assertion = (holds: (text: string, at: number) => boolean): Ends => (text, from) => (holds(text, from) ? bit(from) : 0n);

const alternatives = (options: readonly Ends[]): Ends =>
  remembered((text, from) => options.reduce((ends, option) => ends | option(text, from), 0n));

/** Ends of `next` from all of `starts`. */
function onward(text: string, starts: bigint, next: Ends): bigint {
  let ends = 0n;
  for (let position = 0, left = starts; left > 0n; position++, left >>= 1n) if (left & 1n) ends |= next(text, position);
  return ends;
}

const sequence = (parts: readonly Ends[]): Ends =>
  remembered((text, from) => parts.reduce((starts, part) => onward(text, starts, part), bit(from)));

function repeated(inner: Ends, least: number, most: number): Ends {
  return remembered((text, from) => {
    let reached = bit(from);
    for (let i = 0; i < least && reached > 0n; i++) reached = onward(text, reached, inner);
    let all = reached;
    for (let i = least; i < most && reached > 0n; i++) {
      reached = onward(text, reached, inner) & ~all;
      all |= reached;
    }
    return all;
  });
}

const wordAt = (text: string, at: number) => at >= 0 && at < text.length && isWord(text.charAt(at));
const atBoundary = (text: string, at: number) => wordAt(text, at - 1) !== wordAt(text, at);

class PatternReader {
  #pattern: string;
  #place: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, place: string) {
    this.#pattern = pattern;
    this.#place = place;
  }

  read(): Ends {
    const ends = this.#alternatives();
    if (this.#at < this.#pattern.length) this.#refuse('a ) that closes nothing');
    return ends;
  }

  #refuse(what: string): never {
    throw new SyntaxError(`Cannot use ${this.#place}: ${JSON.stringify(this.#pattern.slice(0, 80))} has ${what} at character ${this.#at}`);
  }

  #take(text: string): boolean {
    if (!this.#pattern.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #next(): string {
    if (this.#at >= this.#pattern.length) this.#refuse('an end where something is missing');
    return this.#pattern.charAt(this.#at++);
  }

  #alternatives(): Ends {
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    return options.length === 1 ? (options[0] ?? sequence([])) : alternatives(options);
  }

  #sequence(): Ends {
    const parts: Ends[] = [];
    while (this.#at < this.#pattern.length && !'|)'.includes(this.#pattern.charAt(this.#at))) parts.push(this.#repeated());
    return sequence(parts);
  }

  #repeated(): Ends {
    const inner = this.#atom();
    const range = this.#range();
    if (!range) return inner;
    // Which of several matches is preferred does not matter where the whole must match.
    if (this.#pattern.charAt(this.#at) === '+') this.#refuse('a possessive quantifier, which is not supported');
    this.#take('?');
    if (this.#range()) this.#refuse('a quantifier of a quantifier');
    return repeated(inner, ...range);
  }

  #range(): readonly [least: number, most: number] | null {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    const match = /^\{(\d{0,4})(,?)(\d{0,4})\}/.exec(this.#pattern.slice(this.#at));
    if (!match || (match[1] === '' && match[3] === '')) return null;
    const least = Number(match[1]);
    const most = match[2] === '' ? least : match[3] === '' ? Infinity : Number(match[3]);
    if (least > most || least > MAX_REPEATS) this.#refuse(`a count outside 0 to ${MAX_REPEATS}`);
    this.#at += match[0].length;
    return [least, most];
  }

  #atom(): Ends {
    const c = this.#next();
    switch (c) {
      case '(':
        return this.#group();
      case '[':
        return character(this.#set());
      case '.':
        return character((other) => other !== '\n');
      case '^':
        return assertion((_, at) => at === 0);
      case '$':
        return assertion((text, at) => at === text.length);
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        return this.#refuse('a quantifier of nothing');
      default:
        return character((other) => other === c);
    }
  }

  #group(): Ends {
    this.#depth += 1;
    if (this.#depth > 100) this.#refuse('more than 100 groups within one another');
    const kind = /^\?(?::|=|!|P<\w+>)/.exec(this.#pattern.slice(this.#at))?.[0] ?? '';
    this.#at += kind.length;
    if (kind === '' && this.#pattern.charAt(this.#at) === '?') this.#refuse('a kind of group that is not supported');
    const inner = this.#alternatives();
    if (!this.#take(')')) this.#refuse('a ( that is not closed');
    this.#depth -= 1;
    if (kind === '?=') return assertion((text, at) => inner(text, at) > 0n);
    if (kind === '?!') return assertion((text, at) => inner(text, at) === 0n);
    return inner;
  }

  #escape(): Ends {
    const c = this.#next();
    if (c === 'b') return assertion(atBoundary);
    if (c === 'B') return assertion((text, at) => !atBoundary(text, at));
    if (c === 'A') return assertion((_, at) => at === 0);
    if (c === 'Z') return assertion((text, at) => at === text.length);
    return character(this.#escaped(c));
  }

  #escaped(c: string): CharacterTest {
    const named = Object.hasOwn(CLASSES, c) ? CLASSES[c] : undefined;
    if (named) return named;
    if (/^[0-9A-Za-z]$/.test(c)) this.#refuse(`\\${c}, which is not supported,`);
    return (other) => other === c;
  }

  #set(): CharacterTest {
    const negated = this.#take('^');
    const tests: CharacterTest[] = [];
    for (let first = true; first || !this.#take(']'); first = false) {
      const c = this.#next();
      if (c === '\\') {
        tests.push(this.#escaped(this.#next()));
        continue;
      }
      const end = /^-([^\]\\])/.exec(this.#pattern.slice(this.#at))?.[1];
      if (end === undefined) {
        tests.push((other) => other === c);
        continue;
      }
      this.#at += 2;
      if (end < c) this.#refuse(`a range from ${c} to ${end}`);
      tests.push((other) => other >= c && other <= end);
    }
    return (other) => tests.some((test) => test(other)) !== negated;
  }
}
