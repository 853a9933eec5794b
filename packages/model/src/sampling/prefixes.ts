/**
 * Which prompts share the reading of a common beginning.
 *
 * Keys and values of a beginning depend on its tokens and on the adapter alone, so prompts of one adapter that begin
 * alike can be read once up to there. Reading the rest takes other kernels, which round differently; therefore who
 * shares what depends on the prompts that are always asked together, on nothing else.
 */

/** A prompt that may share its beginning. */
export interface PrefixCandidate {
  readonly prompt: readonly number[];
  readonly adapter?: number;
  /** Prompts of one family are always asked together. Absent: this prompt shares with none. */
  readonly family?: string;
}

/** The beginning that a prompt shares: the first `length` tokens of request `leader`, which is the prompt itself or another. */
export interface SharedPrefix {
  readonly leader: number;
  readonly length: number;
}

/** Shorter beginnings are not worth a pass of their own: two blocks of 8 tokens. */
const SHORTEST = 16;

/** For every request what it shares, or null. A shared beginning leaves at least the prompt's last token to be read. */
export function sharedPrefixes(requests: readonly PrefixCandidate[]): (SharedPrefix | null)[] {
  const shared: (SharedPrefix | null)[] = requests.map(() => null);
  const families = Map.groupBy(
    [...requests.keys()].filter((index) => requests[index].family !== undefined),
    (index) => JSON.stringify([requests[index].adapter ?? 0, requests[index].family]),
  );
  for (const members of families.values()) {
    for (const group of bestSharing(requests, members, 0)) {
      for (const index of group.members) shared[index] = { leader: group.members[0], length: group.length };
    }
  }
  return shared;
}

interface Group {
  readonly length: number;
  readonly members: readonly number[];
}

/**
 * Groups of prompts that agree in their first `from` tokens: all of them, up to where they part, or those that go on
 * alike for longer by themselves and the others up to here, whichever leaves fewer tokens to read.
 */
function bestSharing(requests: readonly PrefixCandidate[], members: readonly number[], from: number): Group[] {
  if (members.length < 2) return [];
  const prompt = (index: number) => requests[index].prompt;
  const [first] = members;
  const most = Math.min(...members.map((index) => prompt(index).length - 1));
  let length = from;
  while (length < most && members.every((index) => prompt(index)[length] === prompt(first)[length])) length++;
  const longer = members.filter((index) => prompt(index).length - 1 > length);
  const parts = [...Map.groupBy(longer, (index) => prompt(index)[length]).values()];
  const apart = parts.flatMap((part) => bestSharing(requests, part, length));
  if (length < SHORTEST) return apart;
  const taken = new Set(apart.flatMap((group) => group.members));
  const others = members.filter((index) => !taken.has(index));
  const divided = others.length < 2 ? apart : [...apart, { length, members: others }];
  return savedBy(divided) > (members.length - 1) * length ? divided : [{ length, members }];
}

/** Tokens that need not be read. */
function savedBy(groups: readonly Group[]): number {
  return groups.reduce((sum, { length, members }) => sum + (members.length - 1) * length, 0);
}
