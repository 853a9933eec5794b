/** `seal chat`: lines in, answers out, in a terminal or through a pipe. */

import { createInterface } from 'node:readline';
import type { Conversation } from '@seal/engine/chat';
import { kindOf, Problem, Stopped } from '@seal/files';
import { writeWhole } from '@seal/files/node';
import { deps } from './deps.ts';
import type { CommandOf } from './options.ts';
import { EventDisplay, print, say } from './terminal.ts';
import { wordsOf } from './words-of-problems.ts';

const HELP = `/ask-base   answers the last question without the adapter, to compare
/reset      begins a new conversation
/save FILE  writes the conversation as JSON, which generate takes as --messages
/help       this
/quit       leaves; so does Ctrl-C, which first stops an answer`;

export async function chatWith(command: CommandOf<'chat'>): Promise<void> {
  const { openConversation } = await import('@seal/engine/chat');
  const { command: _, ...request } = command;
  const display = new EventDisplay({ pieces: true });
  const conversation = await openConversation(request, deps(request), { onEvent: display.show });
  const isTerminal = process.stdin.isTTY;
  const lines = createInterface({ input: process.stdin, ...(isTerminal && { output: process.stderr }), prompt: '> ' });
  let answering: AbortController | null = null;
  lines.on('SIGINT', () => (answering ? answering.abort(new Stopped('Stopped by Ctrl-C')) : lines.close()));
  try {
    if (isTerminal) say('/help lists what can be written besides questions.');
    if (isTerminal) lines.prompt();
    for await (const line of lines) {
      answering = new AbortController();
      try {
        if (line.trim() !== '' && !(await heard(conversation, line, { onEvent: display.show, signal: answering.signal }))) break;
      } catch (error) {
        // Somebody who sits there writes something else.
        if (!isTerminal || !['usage', 'data'].includes(kindOf(error) ?? '')) throw error;
        say(wordsOf(error, false));
      }
      answering = null;
      if (isTerminal) lines.prompt();
    }
  } finally {
    lines.close();
    display.close();
    conversation.close();
  }
}

/** Does what a line says; false where it says to leave. */
async function heard(conversation: Conversation, line: string, hooks: Parameters<Conversation['answer']>[1]): Promise<boolean> {
  const [, command, rest = ''] = /^\/([a-z-]+)(?:\s+(.*))?$/.exec(line.trim()) ?? [];
  if (command === 'quit' || command === 'exit') return false;
  if (command === 'help') say(HELP);
  else if (command === 'reset') conversation.reset();
  else if (command === 'save') save(conversation, rest.trim());
  else if (command === undefined || command === 'ask-base') {
    const { text, finish } = await (command === undefined ? conversation.answer(line, hooks) : conversation.answerBase(hooks));
    if (!text.endsWith('\n')) print('\n');
    if (finish !== 'stop') say(finish === 'stopped' ? '(stopped)' : '(the answer reached the most tokens; --max-tokens raises them)');
  } else throw new Problem('usage', `Cannot do /${command}: there are /ask-base, /reset, /save FILE, /help and /quit`);
  return true;
}

function save({ messages }: Conversation, path: string): void {
  if (path === '' || messages.length === 0) throw new Problem('usage', path === '' ? 'Cannot save: name a file, such as /save chat.json' : 'Cannot save: nothing was said yet');
  writeWhole(path, `${JSON.stringify(messages, null, 2)}\n`);
  say(`${messages.length} messages in ${path}`);
}
