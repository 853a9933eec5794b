/** Jinja's source as tokens, with `trim_blocks` and `lstrip_blocks`: what jinja2 3.1.6 (lexer.py) makes of it. */

/** A piece of a template. `name` and `operator` are as written; `string`, `integer` and `float` are their values. */
export interface Token {
  readonly kind: 'data' | 'block-begin' | 'block-end' | 'variable-begin' | 'variable-end' | 'name' | 'operator' | 'string' | 'integer' | 'float' | 'end';
  readonly text: string;
  readonly value?: number;
  readonly line: number;
}

/** White space as Python's `str.strip()` and `\s` take it off. */
export const SPACE = String.raw`\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000`;

const LEADING = new RegExp(`^[${SPACE}]+`);
const ONLY_SPACE = new RegExp(`^[${SPACE}]+$`);
const WHITE = new RegExp(`[${SPACE}]+`, 'y');
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*/uy;
const STRING = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"/y;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[+\-/*%~[\](){}>=<.:|,;]/y;
const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Without the white space at its end. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && ONLY_SPACE.test(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** Tokens of a template, the last of kind `end`. Throws SyntaxError, its message without the place. */
export function tokensOf(template: string): Token[] {
  const source = template.replace(/\r\n?/g, '\n').replace(/\n$/, '');
  const tokens: Token[] = [];
  let at = 0;
  let [line, counted] = [1, 0];
  /** Whether what was read last ended a line. */
  let isLineStart = true;

  const lineAt = (place: number): number => {
    for (; counted < place; counted++) if (source.charAt(counted) === '\n') line++;
    return line;
  };
  const push = (kind: Token['kind'], text: string, value?: number): void => {
    tokens.push({ kind, text, line: lineAt(at), ...(value !== undefined && { value }) });
  };
  const fail = (problem: string): never => {
    throw new SyntaxError(`${problem} in line ${lineAt(at)}`);
  };
  const skipSpace = (): void => {
    at += LEADING.exec(source.slice(at))?.[0].length ?? 0;
  };
  /** Reads what ends a tag from `at` on, `-%}` with the white space behind it; false where no end is there. */
  const readEnd = (end: string, isTrimmed: boolean): boolean => {
    if (source.startsWith(`-${end}`, at)) {
      at += end.length + 1;
      skipSpace();
    } else if (isTrimmed && source.startsWith(`+${end}`, at)) {
      at += end.length + 1;
    } else if (source.startsWith(end, at)) {
      at += end.length;
      if (isTrimmed && source.charAt(at) === '\n') at++;
    } else {
      return false;
    }
    isLineStart = source.charAt(at - 1) === '\n';
    return true;
  };
  /** Text before a tag, as the sign in the tag has it. */
  const readData = (text: string, sign: string, isVariable: boolean): void => {
    let kept = text;
    if (sign === '-') {
      kept = stripEnd(text);
    } else if (sign !== '+' && !isVariable) {
      const last = text.lastIndexOf('\n') + 1;
      if ((last > 0 || isLineStart) && ONLY_SPACE.test(text.slice(last))) kept = text.slice(0, last);
    }
    if (kept !== '') push('data', kept);
  };
  const signAt = (place: number): string => (/^[-+]/.test(source.charAt(place)) ? source.charAt(place) : '');

  const readComment = (): void => {
    for (; at < source.length; at++) {
      // A sign before the end belongs to it.
      if (source.startsWith('#}', at) || source.startsWith('-#}', at) || source.startsWith('+#}', at)) {
        readEnd('#}', true);
        return;
      }
    }
    fail('Missing end of comment tag');
  };
  const readRaw = (): void => {
    const closing = new RegExp(String.raw`\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*(?=[-+]?%\})`, 'g');
    closing.lastIndex = at;
    const found = closing.exec(source) ?? fail('Missing end of raw directive');
    readData(source.slice(at, found.index), found[1] ?? '', false);
    at = found.index + found[0].length;
    readEnd('%}', true);
  };
  const readTag = (isVariable: boolean): void => {
    const open: string[] = [];
    for (;;) {
      if (open.length === 0 && readEnd(isVariable ? '}}' : '%}', !isVariable)) {
        push(isVariable ? 'variable-end' : 'block-end', '');
        return;
      }
      if (at >= source.length) {
        push('end', '');
        return;
      }
      const match = (pattern: RegExp): string | null => {
        pattern.lastIndex = at;
        return pattern.exec(source)?.[0] ?? null;
      };
      let text: string | null;
      if ((text = match(WHITE)) !== null) {
        at += text.length;
      } else if ((text = match(FLOAT)) !== null) {
        push('float', text, Number(text.replaceAll('_', '')));
        at += text.length;
      } else if ((text = match(INTEGER)) !== null) {
        const value = Number(text.replaceAll('_', '').toLowerCase());
        if (!Number.isSafeInteger(value)) fail(`the number ${text} is beyond 2^53`);
        push('integer', text, value);
        at += text.length;
      } else if ((text = match(NAME)) !== null) {
        push('name', text);
        at += text.length;
      } else if ((text = match(STRING)) !== null) {
        push('string', unescaped(text.slice(1, -1), fail));
        at += text.length;
      } else if ((text = match(OPERATOR)) !== null) {
        const closing = CLOSING[text];
        if (closing !== undefined) open.push(closing);
        else if (/^[)\]}]$/.test(text) && open.pop() !== text) fail(`unexpected '${text}'`);
        push('operator', text);
        at += text.length;
      } else {
        fail(`unexpected character ${JSON.stringify(String.fromCodePoint(source.codePointAt(at) ?? 0))}`);
      }
    }
  };

  const opening = /\{[{%#]/g;
  while (at < source.length) {
    opening.lastIndex = at;
    const start = opening.exec(source)?.index;
    if (start === undefined) {
      push('data', source.slice(at));
      break;
    }
    const kind = source.charAt(start + 1);
    const sign = signAt(start + 2);
    readData(source.slice(at, start), sign, kind === '{');
    at = start + 2 + sign.length;
    const raw = kind === '%' ? new RegExp(String.raw`^[${SPACE}]*raw[${SPACE}]*(?:-%\}[${SPACE}]*|%\})`).exec(source.slice(at, at + 200)) : null;
    if (raw) {
      at += raw[0].length;
      skipAfterRaw(raw[0]);
      readRaw();
    } else if (kind === '#') {
      // The sign may be that of the end, `{#-#}`.
      if (source.startsWith('#}', at) && sign !== '') at -= sign.length;
      readComment();
    } else {
      push(kind === '{' ? 'variable-begin' : 'block-begin', '');
      readTag(kind === '{');
    }
  }
  push('end', '');
  return tokens;

  function skipAfterRaw(begin: string): void {
    if (begin.includes('-%}')) skipSpace();
    isLineStart = source.charAt(at - 1) === '\n';
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '', '\\': '\\', "'": "'", '"': '"', a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v',
};

/** A string literal's value: Python's escapes, an unknown one stays as it is written. */
function unescaped(literal: string, fail: (problem: string) => never): string {
  return literal.replace(/\\(x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|[0-7]{1,3}|[^])/g, (whole, escape: string) => {
    if (/^[0-7]/.test(escape)) return String.fromCharCode(Number.parseInt(escape, 8));
    if (escape.length > 1) {
      const code = Number.parseInt(escape.slice(1), 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : fail(`${whole} is no character`);
    }
    if (/[xuUN]/.test(escape)) return fail(`the escape ${whole} is not supported or broken`);
    return ESCAPES[escape] ?? whole;
  });
}
