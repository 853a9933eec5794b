/** Text to token ids and back, and conversations as text: what needs nothing of Node. */

export { beginOf } from './begin.ts';
export {
  createChatTemplate,
  parseMessages,
  type ChatMessage,
  type ChatTemplate,
  type ChatTemplateOptions,
  type ChatTokens,
  type RenderOptions,
} from './chat.ts';
export { TextStream, type TextOptions, type TextPiece } from './text-stream.ts';
export { createDecodeStream, createTokenizer, type DecodeOptions, type DecodeStream, type Tokenizer } from './tokenizer.ts';
