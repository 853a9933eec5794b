/** Knowledge incorporation: learn a passage from self-written text, answer questions about it without the passage. */
import { Problem } from '@seal/files';
import type { Context, Domain, Task } from '../domain.ts';
import { judgeEach } from '../judging.ts';
import { fitText } from '../shorten.ts';
import { grader, type GraderName } from './grade.ts';
import { strip } from './paper-sequences.ts';
import { parseSelfEdit, type ParseMode } from './parse.ts';
import { answerPrompt, builtInTemplate, readingPrompt, selfEditPrompt, type Template, type TemplateName } from './templates.ts';

/** What a knowledge-incorporation domain is made of. */
export interface KnowledgeIncorporationOptions {
  /** The name of a template, or one read with `parseTemplate`. */
  readonly template: TemplateName | Template;
  readonly mode: ParseMode;
  readonly grader: GraderName;
}

/**
 * The domain of passages with questions, as `parsePassages` reads them.
 *
 * Passages of one title do not share an adapter: each may answer the other's questions, and the reward of a self-edit
 * is to be its own. The perfect self-edit is the questions with their answers. There is no replay.
 * Throws `RangeError` when there is no such template or grader.
 *
 * @example
 * const domain = knowledgeIncorporation({ template: 'implications', mode: 'corrected', grader: 'containment' });
 * const [context] = parsePassages(text, 'passages.json');
 */
export function knowledgeIncorporation(options: KnowledgeIncorporationOptions): Domain {
  const template = typeof options.template === 'string' ? builtInTemplate(options.template) : options.template;
  const grade = grader(options.grader);
  const { mode } = options;
  const passage = ({ title, text }: Context) => [{ prompt: '', text: `${mode === 'paper' ? title : title.trim()}\n${strip(text)}` }];
  const tasks = ({ title, questions }: Context): Task[] =>
    questions.map(({ question, answer, kind }) => ({ prompt: answerPrompt(template, title, question), question, gold: answer, kind }));
  return {
    name: `knowledge-incorporation (${template.name}, ${mode}, ${options.grader})`,
    prompt(context) {
      return selfEditPrompt(template, context);
    },
    parse(context, selfEdit) {
      return parseSelfEdit(context, selfEdit, mode);
    },
    always: passage,
    control: passage,
    tasks,
    reading: (context) => tasks(context).map((task, i) => ({ ...task, prompt: readingPrompt(template, context, context.questions[i]?.question ?? '') })),
    perfectSelfEdit: ({ questions }) => questions.map(({ question, answer }) => `${question} ${answer}`).join('\n'),
    judge: (context, answers) => judgeEach(tasks(context), answers, grade),
    fit: fitText,
    question(question, topic = '') {
      if (question.trim() === '') throw new Problem('data', 'Cannot ask nothing: write a question, such as "who plays the cymbal ?"');
      return { id: 'question', title: topic, text: '', questions: [{ question, answer: '', kind: 'question' }] };
    },
    conflicts(a: Context, b: Context) {
      return a.title === b.title;
    },
  };
}
