import { fitText, judgeEach, type Context, type Domain, type Task } from '@seal/domains';

const MOST = { lines: 32, characters: 400 };
const passage = ({ text }: Context) => [{ prompt: '', text }];
const tasks = ({ questions }: Context): Task[] =>
  questions.map(({ question, answer, kind }) => ({ prompt: `Question: ${question}\nAnswer:`, question, gold: answer, kind }));

/** Self-edits are statements, one a line; an answer is right when it is the gold answer. */
export const statements: Domain = {
  name: 'statements',
  prompt: ({ text }) => `${text}\n\nWhat follows from it, one statement a line:\n`,
  parse(_context, selfEdit) {
    const lines = [...new Set(selfEdit.split('\n').map((line) => line.trim()))].filter((line) => line !== '');
    const taken = lines.filter((line) => line.length <= MOST.characters).slice(0, MOST.lines);
    const refused = lines.length - taken.length;
    return {
      sequences: taken.map((text) => ({ prompt: '', text })),
      rejected: refused > 0 ? [{ reason: 'too many or too long', count: refused }] : [],
    };
  },
  always: passage,
  control: passage,
  tasks,
  judge: (context, answers) => judgeEach(tasks(context), answers, (answer, gold) => answer.trim() === gold),
  fit: fitText,
};
