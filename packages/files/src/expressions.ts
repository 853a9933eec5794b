/**
 * Which regular expressions from files that nobody vouches for may be matched: those whose matching ends in reasonable time.
 */

/** An escape, a class, a group's beginning, a quantifier, or one character. */
const PARTS = /\\(?:[pPu]\{[^}]*\}|[^])|\[(?:\\[^]|[^\]\\])*\]|\((?:\?(?:<(?![=!])[^>]*>|[^:=!]*[:=!]))?|[*+?]\??|\{\d+(?:,\d*)?\}\??|[^]/gu;

/** What a matcher may have to try otherwise on one way through an expression. */
export interface Choices {
  /** Binary logarithm of the ways that quantifiers and alternatives leave: all of them may have to be tried. */
  readonly bits: number;
  /** Quantifiers without a near bound: as many are the power of the text's length that it takes. */
  readonly endless: number;
}

/** For texts of any length. */
const MOST: Choices = { bits: 16, endless: 2 };
const NONE: Choices = { bits: 0, endless: 0 };

function both(a: Choices, b: Choices): Choices {
  return { bits: a.bits + b.bits, endless: a.endless + b.endless };
}

function more(a: Choices, b: Choices): Choices {
  return { bits: Math.max(a.bits, b.bits), endless: Math.max(a.endless, b.endless) };
}

/**
 * What may make JavaScript's matcher take for ever on the source of an expression, or null. One that fails tries its choices
 * in all combinations, so their number on one way through the expression is bounded by `most`; what is repeated may hold
 * none, for every repetition would have them anew. Short texts allow more endless quantifiers, which is for the caller to say.
 */
export function mayNeverEnd(source: string, most: Choices = MOST): string | null {
  // Of every open group: the way that is read, the longest one before it, and how many ways there are besides.
  const open = [{ here: NONE, before: NONE, others: 0 }];
  let group = open.at(-1);
  let within = NONE;
  for (const [part] of source.matchAll(PARTS)) {
    if (!group) break;
    let ended = NONE;
    if (part.startsWith('(')) {
      open.push((group = { here: NONE, before: NONE, others: 0 }));
    } else if (part === '|') {
      group.before = more(group.before, group.here);
      group.here = NONE;
      group.others += 1;
    } else if (part === ')') {
      ended = both(more(group.before, group.here), { bits: Math.log2(1 + group.others), endless: 0 });
      open.pop();
      group = open.at(-1);
      if (group) group.here = both(group.here, ended);
    } else if (/^(?:[*+?]|\{\d)/.test(part)) {
      const isRepeated = !/^(?:\?|\{[01]\}|\{[01],1\})/.test(part);
      if (isRepeated && within.bits > 0) return 'repeats what can match in several ways';
      const isEndless = /^(?:[*+]|\{\d+,(?:\d\d+)?\})/.test(part);
      const [, least, largest] = /^\{(\d+)(?:,(\d+))?\}/.exec(part) ?? [];
      const ways = isEndless || least === undefined ? 2 : 1 + Number(largest ?? least) - Number(least);
      group.here = both(group.here, { bits: Math.log2(ways), endless: isEndless ? 1 : 0 });
    }
    within = ended;
  }
  const { bits, endless } = more(open[0]?.before ?? NONE, open[0]?.here ?? NONE);
  if (endless > most.endless) return `has ${endless} endless quantifiers in a row, at most ${most.endless} are read`;
  return bits > most.bits ? `leaves 2^${Math.ceil(bits)} ways to try in a row, at most 2^${most.bits} are tried` : null;
}
