/**
 * Which regular expressions from files that nobody vouches for may be matched: those whose matching ends in reasonable time.
 */

/** An escape, a class, a group's beginning, a quantifier, or one character. */
const PARTS = /\\(?:[pPu]\{[^}]*\}|[^])|\[(?:\\[^]|[^\]\\])*\]|\((?:\?(?:<(?![=!])[^>]*>|[^:=!]*[:=!]))?|[*+?]\??|\{\d+(?:,\d*)?\}\??|[^]/gu;

/** What a matcher may have to try otherwise on one way through an expression. */
interface Choices {
  /** Quantifiers and alternatives: trying all of them takes exponential time in their number. */
  readonly all: number;
  /** Quantifiers without a near bound: as many are the power of the text's length that it takes. */
  readonly endless: number;
}

const MOST: Choices = { all: 16, endless: 2 };
const NONE: Choices = { all: 0, endless: 0 };

function both(a: Choices, b: Choices): Choices {
  return { all: a.all + b.all, endless: a.endless + b.endless };
}

function more(a: Choices, b: Choices): Choices {
  return { all: Math.max(a.all, b.all), endless: Math.max(a.endless, b.endless) };
}

/**
 * What may make JavaScript's matcher take for ever on the source of an expression, or null. One that fails tries its choices
 * in all combinations, so their number on one way through the expression is bounded; what is repeated may hold none, for
 * every repetition would have them anew.
 */
export function mayNeverEnd(source: string): string | null {
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
      ended = both(more(group.before, group.here), { all: group.others, endless: 0 });
      open.pop();
      group = open.at(-1);
      if (group) group.here = both(group.here, ended);
    } else if (/^(?:[*+?]|\{\d)/.test(part)) {
      const isRepeated = !/^(?:\?|\{[01]\}|\{[01],1\})/.test(part);
      if (isRepeated && within.all > 0) return 'repeats what can match in several ways';
      const isEndless = /^(?:[*+]|\{\d+,(?:\d\d+)?\})/.test(part);
      if (!/^\{\d+\}/.test(part)) group.here = both(group.here, { all: 1, endless: isEndless ? 1 : 0 });
    }
    within = ended;
  }
  const { all, endless } = more(open[0]?.before ?? NONE, open[0]?.here ?? NONE);
  if (endless > MOST.endless) return `has ${endless} endless quantifiers in a row, at most ${MOST.endless} are read`;
  return all > MOST.all ? `has ${all} quantifiers and alternatives in a row, at most ${MOST.all} are read` : null;
}
