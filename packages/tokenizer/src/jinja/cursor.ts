/** The tokens of a template while they are parsed. */

import type { Token } from './lexer.ts';

/** Deeper than people write; the parser calls itself. */
const MAX_DEPTH = 200;

/** Where the parser stands. */
export class Cursor {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get token(): Token {
    return this.peek(0);
  }

  peek(ahead: number): Token {
    const token = this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)];
    if (!token) throw new SyntaxError('it has no tokens');
    return token;
  }

  next(): Token {
    const { token } = this;
    this.#at++;
    return token;
  }

  is(kind: Token['kind'], ...texts: readonly string[]): boolean {
    return this.token.kind === kind && (texts.length === 0 || texts.includes(this.token.text));
  }

  /** Takes the token where it is the one meant. */
  skip(kind: Token['kind'], text: string): boolean {
    const found = this.is(kind, text);
    if (found) this.#at++;
    return found;
  }

  expect(kind: Token['kind'], text?: string): Token {
    if (text === undefined ? this.is(kind) : this.is(kind, text)) return this.next();
    return this.fail(`expected ${text === undefined ? kind : `'${text}'`}, got ${this.told()}`);
  }

  told(): string {
    const { kind, text } = this.token;
    if (kind === 'end') return 'the end of the template';
    return text === '' || kind === 'data' ? kind : `'${text.slice(0, 40)}'`;
  }

  fail(problem: string): never {
    throw new SyntaxError(`${problem} in line ${this.token.line}`);
  }

  /** Parses something that may hold itself. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > MAX_DEPTH) this.fail('it is nested too deeply');
    const parsed = parse();
    this.#depth--;
    return parsed;
  }
}
