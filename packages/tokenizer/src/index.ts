/** Text to token ids and back, and conversations as text: what needs nothing of Node. */

export { beginOf } from './begin.ts';
export {
  createChatTemplate,
  type ChatTemplate,
  type ChatTemplateOptions,
  type ChatTokens,
  type RenderOptions,
} from './chat.ts';
export { parseMessages, unreadKeys, type ChatMessage } from './messages.ts';
export { endedWith, endsOf } from './ends.ts';
export { renderJinja } from './template.ts';
export { TextStream, type TextOptions, type TextPiece } from './text-stream.ts';
export { createDecodeStream, createTokenizer, type DecodeOptions, type DecodeStream, type Tokenizer } from './tokenizer.ts';
