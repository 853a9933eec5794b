import type { AnswerRecord, RewardRecord, SelectionRecord, SelfEditRecord, SftRecord } from '@seal/runs';
import { describe, expect, it } from 'vitest';
import { nothingKept, notesOf, type NotedRecords } from './notes.ts';

const none: NotedRecords = { selfEdits: [], rewards: [], answers: [], selections: [], sft: [], events: [] };
const selection = (round: number, selfEditId: string | null, reason: string): SelectionRecord => ({
  round, phase: 'rl', contextId: 'c', selfEditId, reward: null, candidates: [], reason,
});
const edit = (sequences: number, rejected: string | null): SelfEditRecord => ({
  id: 'e', round: 1, phase: 'rl', condition: null, contextId: 'c', sample: 0, text: '', tokens: 1, policyDigest: 'p', stream: 's', sequences, rejected,
});

describe('notesOf', () => {
  it('has nothing to say of a run without incident', () => {
    expect(notesOf({ ...none, selfEdits: [edit(2, 'blank line (1)')], selections: [selection(1, 'e', 'best')] })).toEqual([]);
  });

  it('says which round kept nothing, and why', () => {
    const reason = 'best of 2 at 0.000 does not beat the baselines\' 0.000';
    const selections = [selection(1, null, reason), selection(1, null, reason.replace('0.000', '0.250')), selection(2, null, 'no self-edit could be trained on'), selection(2, 'e', 'best')];
    expect(nothingKept(1, { selections })).toBe(
      'Round 1 kept no self-edit: none beats the baselines (2 of 2 passages). It fine-tuned nothing, and the model after it is the one before it.',
    );
    expect(nothingKept(2, { selections })).toBeNull();
    const sft: SftRecord = { round: 1, phase: 'rl', examples: 0, steps: 0, losses: [], policyBefore: 'p', policyAfter: 'p', adapterDigest: null };
    expect(notesOf({ ...none, selections, sft: [sft] })).toEqual([nothingKept(1, { selections })]);
  });

  it('counts self-edits that hold nothing by reason', () => {
    const selfEdits = [edit(0, 'no words (2), blank line (1)'), edit(0, 'no words (1)'), edit(0, null), edit(3, 'too long (9)')];
    expect(notesOf({ ...none, selfEdits })).toEqual(['3 of 4 self-edits hold nothing to train on: no words (3), blank line (1), empty (1).']);
  });

  it('counts empty answers of the table by row, and those of rounds not at all', () => {
    const reward = (key: string, phase: 'rl' | 'evaluate', condition: string): RewardRecord => ({
      key, phase, condition, round: 1, contextId: 'c', selfEditId: null, group: [], adapterDigest: null, correct: 0, questions: 1, reward: 0,
      repeat: 0, steps: 1, trainedTokens: 1, firstLoss: null, lastLoss: null, status: 'ok', cause: null,
    });
    const answer = (rewardKey: string, text: string): AnswerRecord => ({
      rewardKey, contextId: 'c', question: 'q', kind: 'k', gold: 'g', answer: text, correct: false, adapterDigest: null,
    });
    const rewards = [reward('a', 'evaluate', 'base'), reward('b', 'evaluate', 'passage'), reward('c', 'rl', 'base')];
    const answers = [answer('a', 'x'), answer('a', ''), answer('b', ' \n'), answer('b', ''), answer('c', '')];
    expect(notesOf({ ...none, rewards, answers })).toEqual(['3 of 4 answers of the table are empty and count as wrong: base 1, passage 2.']);
  });

  it('hands on what texts lost', () => {
    const event = (type: string) => ({ time: 't', type, message: '2 passages were cut.', details: null });
    expect(notesOf({ ...none, events: [event('shortened'), event('stopped')] })).toEqual(['2 passages were cut.']);
  });
});
