/** Reads JSON that may still be text; throws `SyntaxError` that names the place. `what` is what the file should be. */
export function readJson(source: unknown, what: string, place: string): unknown {
  if (typeof source !== 'string') return source;
  const text = source.startsWith('\ufeff') ? source.slice(1) : source;
  if (text.trim() === '') throw new SyntaxError(`Cannot read ${what} from ${place}: the file is empty`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const remedy = /^\s*\{[^\n]*\}\s*\n\s*\{/.test(text)
      ? 'it looks like one JSON value a line; wrap the lines in [ ] with commas between them'
      : 'save it as JSON in UTF-8';
    throw new SyntaxError(`Cannot read ${what} from ${place}: not JSON (${reason}); ${remedy}`, { cause });
  }
}
