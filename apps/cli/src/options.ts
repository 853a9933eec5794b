/** The command line: every command with its options. */

import { object, or } from '@optique/core/constructs';
import { message } from '@optique/core/message';
import { multiple, optional, withDefault } from '@optique/core/modifiers';
import { argument, command, constant, option } from '@optique/core/primitives';
import type { InferValue, Parser } from '@optique/core/parser';
import { choice, float, integer, string } from '@optique/core/valueparser';

const json = option('--json', { description: message`Print one JSON document on stdout and nothing else there` });
const seedOption = option('--seed', integer({ min: 0, metavar: 'N' }), { description: message`Seed of every random draw; 0 if absent` });
const seed = withDefault(seedOption, 0);
const outFile = optional(option('--out', string({ metavar: 'FILE' }), { description: message`Write the JSON document there too` }));
const model = optional(
  option('--model', string({ metavar: 'NAME|DIR' }), {
    description: message`Model directory, GGUF file, or the hub name of a pulled model; the shipped tiny model if absent`,
  }),
);
const verbose = option('--verbose', {
  description: message`Say of every tensor how it is held and what that lost of its output channels, and what the driver warns of`,
});
const loading = {
  weights: optional(
    option('--weights', choice(['f32', 'f16', 'int8', 'int4']), {
      description: message`How the weights are held on the device; as they are stored if absent, which is f32 for numbers of any kind`,
    }),
  ),
  verbose,
};
const adapter = optional(option('--adapter', string({ metavar: 'DIR' }), { description: message`Adapter directory, as adapt, sft and PEFT write it` }));
const passages = option('--passages', string({ metavar: 'FILE' }), {
  description: message`JSON list of {title, context, questions: [{question, answer}]}, or a file of SQuAD`,
});
const template = optional(
  option('--template', string({ metavar: 'NAME' }), {
    description: message`What asks for self-edits: implications (if absent), implications-long, rewrite, self-qa, none, or a JSON file`,
  }),
);
const chat = option('--chat', { description: message`Ask by the model's chat template, as instruct models expect it` });
const config = optional(
  option('--config', string({ metavar: 'FILE' }), { description: message`JSON with values that replace the preset's` }),
);
const presetNamed = optional(
  option('--preset', string({ metavar: 'NAME' }), { description: message`Which domain the texts are of: tiny if absent and no model is named, else squad` }),
);
const maxTime = optional(
  option('--max-time', string({ metavar: 'TIME' }), { description: message`Stop after e.g. 90s, 5m or 1h and keep what is done` }),
);

const recompute = option('--recompute', { description: message`Compute activations twice instead of keeping them: less memory, the same bits` });

const run = command(
  'run',
  object('Options', {
    command: constant('run'),
    preset: optional(
      option('--preset', string({ metavar: 'NAME' }), {
        description: message`Configuration to start from: tiny (if absent) brings model and passages, squad takes --model and --passages`,
      }),
    ),
    model,
    passages: optional(passages),
    tablePassages: optional(option('--table-passages', string({ metavar: 'FILE' }), { description: message`Passages of the table, of which no round sees any; drawn from --passages if absent` })),
    template,
    chat,
    mode: optional(
      option('--mode', choice(['paper', 'corrected']), {
        description: message`paper repeats the reference's quirks, corrected (if absent) does what we believe is right`,
      }),
    ),
    config,
    seed: optional(seedOption),
    seeds: optional(
      option('--seeds', string({ metavar: 'N,N,...' }), { description: message`Several runs and one pooled result` }),
    ),
    resume: optional(option('--resume', string({ metavar: 'DIR' }), { description: message`Go on with a stopped run` })),
    out: optional(
      option('--out', string({ metavar: 'DIR' }), { description: message`Directory to make for the run; runs/<id> if absent` }),
    ),
    maxTime,
    verbose,
    json,
  }),
  { description: message`The whole of SEAL: rounds of self-edits, adaptation and reward, then a table and a report` },
);

const adapt = command(
  'adapt',
  object('Options', {
    command: constant('adapt'),
    passages: optional(passages),
    documents: multiple(
      option('--documents', string({ metavar: 'DIR|FILE' }), {
        description: message`Instead of passages: Markdown, text and PDF without questions, cut at headings; several files may follow`,
      }),
    ),
    more: multiple(argument(string({ metavar: 'FILE' }), { description: message`Further files for --documents` })),
    preset: presetNamed,
    model,
    ...loading,
    template,
    chat,
    out: option('--out', string({ metavar: 'DIR' }), { description: message`Directory to make for the adapter` }),
    policy: optional(
      option('--policy', string({ metavar: 'RUN' }), {
        description: message`Directory of a run: its model after the last round writes the self-edits`,
      }),
    ),
    edits: withDefault(
      option('--edits', integer({ min: 0, max: 64, metavar: 'N' }), {
        description: message`Self-edits the model writes for every passage; 0 trains on the passages alone`,
      }),
      8,
    ),
    steps: optional(option('--steps', integer({ min: 1, max: 100_000, metavar: 'N' }), { description: message`Training steps` })),
    config,
    recompute,
    seed,
    maxTime,
    json,
  }),
  { description: message`Teach the model passages: an adapter that answers without them` },
);

const ask = command(
  'ask',
  object('Options', {
    command: constant('ask'),
    question: argument(string({ metavar: 'QUESTION' }), { description: message`For example: who plays the cymbal ?` }),
    preset: presetNamed,
    model,
    ...loading,
    adapter,
    config,
    topic: optional(option('--topic', string({ metavar: 'TEXT' }), { description: message`Title of the passage that the question is about` })),
    template,
    chat,
    temperature: withDefault(
      option('--temperature', float({ min: 0, max: 10, metavar: 'T' }), {
        description: message`Draw the answer instead of taking the most likely one`,
      }),
      0,
    ),
    seed,
    out: outFile,
    json,
  }),
  { description: message`Ask a question, with or without an adapter` },
);

const evaluate = command(
  'eval',
  object('Options', { command: constant('eval'), passages, preset: presetNamed, model, ...loading, adapter, template, chat, config, seed, out: outFile, json }),
  { description: message`Ask the questions of a passages file, the passages out of sight, and grade the answers` },
);

const pretrain = command(
  'pretrain',
  object('Options', {
    command: constant('pretrain'),
    out: option('--out', string({ metavar: 'DIR' }), { description: message`Directory for the checkpoint; an unfinished one is continued` }),
    steps: optional(option('--steps', integer({ min: 1, max: 1_000_000, metavar: 'N' }), { description: message`Training steps` })),
    seed,
    maxTime,
    verbose,
    json,
  }),
  { description: message`Train the tiny model from nothing` },
);

const doctor = command(
  'doctor',
  object('Options', {
    command: constant('doctor'),
    model,
    weights: loading.weights,
    pack: withDefault(
      option('--pack', integer({ min: 1, max: 1_024, metavar: 'N' }), { description: message`Adapters trained side by side; 8 if absent` }),
      8,
    ),
    rank: withDefault(
      option('--rank', integer({ min: 1, max: 1_024, metavar: 'N' }), { description: message`Rank of the adapters; 16 if absent` }),
      16,
    ),
    seq: optional(
      option('--seq', integer({ min: 8, max: 16_777_216, metavar: 'N' }), { description: message`Tokens of the longest sequence; 1024 if absent` }),
    ),
    tokens: optional(
      option('--tokens', integer({ min: 8, max: 16_777_216, metavar: 'N' }), { description: message`Tokens of a training step; 2048 if absent` }),
    ),
    memory: optional(
      option('--memory', string({ metavar: 'SIZE' }), { description: message`Memory that the plan has to fit into, for example 12GiB` }),
    ),
    out: outFile,
    verbose,
    json,
  }),
  { description: message`What this machine offers, whether everything works on it, and what a model will take before it is loaded` },
);

const bench = command(
  'bench',
  object('Options', {
    command: constant('bench'),
    what: argument(choice(['kernels', 'step', 'round'], { metavar: 'WHAT' }), {
      description: message`kernels: every op alone; step: one training step; round: a round's adapters, trained and asked`,
    }),
    filter: optional(
      option('--filter', string({ metavar: 'TEXT' }), { description: message`kernels: only ops whose name contains this` }),
    ),
    peers: option('--peers', { description: message`round: the same work by PyTorch, with PEFT and batched; kernels: by tfjs, jax-js, onnxruntime and PyTorch` }),
    python: optional(
      option('--python', string({ metavar: 'PATH' }), {
        description: message`Python with torch, for a round transformers and peft too; the first python3 if absent`,
      }),
    ),
    out: outFile,
    verbose,
    json,
  }),
  { description: message`Measure kernels, a training step or a whole round on this adapter` },
);

const tune = command(
  'tune',
  object('Options', {
    command: constant('tune'),
    model,
    f16: option('--f16', { description: message`Let variants take part that round operands to f16 (sums stay f32)` }),
    forget: option('--forget', { description: message`Remove what was measured on this adapter` }),
    verbose,
    json,
  }),
  { description: message`Measure which variants of the kernels are the fastest here, for all later commands` },
);

const pull = command(
  'pull',
  object('Options', {
    command: constant('pull'),
    name: argument(string({ metavar: 'NAME[:GGUF][@REVISION]' }), { description: message`For example: HuggingFaceTB/SmolLM2-135M-Instruct; a GGUF file of a repository by its name or its end, as in :Q4_K_M` }),
    json,
  }),
  { description: message`Download a model from the Hugging Face hub into its standard cache` },
);

const generate = command(
  'generate',
  object('Options', {
    command: constant('generate'),
    model,
    adapters: multiple(
      option('--adapter', string({ metavar: 'DIR' }), { description: message`Adapter directory; given several times, each answers` }),
    ),
    prompt: optional(option('--prompt', string({ metavar: 'TEXT' }), { description: message`Text to continue` })),
    messages: optional(
      option('--messages', string({ metavar: 'FILE' }), {
        description: message`Conversation to continue instead: JSON, [{role, content}]`,
      }),
    ),
    maxTokens: optional(
      option('--max-tokens', integer({ min: 1, max: 1_000_000, metavar: 'N' }), { description: message`Most tokens of a completion; 256 if absent` }),
    ),
    temperature: optional(
      option('--temperature', float({ min: 0, max: 1_000, metavar: 'T' }), { description: message`0 takes the most likely token` }),
    ),
    topP: optional(option('--top-p', float({ min: 0, max: 1, metavar: 'P' }), { description: message`Keep the most likely tokens that reach P together` })),
    topK: optional(option('--top-k', integer({ min: 1, metavar: 'K' }), { description: message`Keep the K most likely tokens` })),
    minP: optional(option('--min-p', float({ min: 0, max: 1, metavar: 'P' }), { description: message`Keep tokens at least P times as likely as the first` })),
    repetitionPenalty: optional(
      option('--repetition-penalty', float({ min: 0, max: 1_000, metavar: 'F' }), { description: message`Make tokens that are there already less likely` }),
    ),
    stop: multiple(option('--stop', string({ metavar: 'TEXT' }), { description: message`End before this text; may be given several times` })),
    count: withDefault(option('--n', integer({ min: 1, max: 10_000, metavar: 'N' }), { description: message`Completions (of each adapter)` }), 1),
    topLogprobs: withDefault(
      option('--top-logprobs', integer({ min: 0, max: 100, metavar: 'N' }), { description: message`With --json: the N most likely tokens at each place` }),
      0,
    ),
    ...loading,
    seed,
    json,
  }),
  { description: message`Continue a text or a conversation, with or without adapters` },
);

const talk = command(
  'chat',
  object('Options', {
    command: constant('chat'),
    model,
    adapter,
    maxTokens: optional(option('--max-tokens', integer({ min: 1, max: 1_000_000, metavar: 'N' }), { description: message`Most tokens of an answer; 256 if absent` })),
    temperature: optional(option('--temperature', float({ min: 0, max: 1_000, metavar: 'T' }), { description: message`0 takes the most likely token` })),
    topP: optional(option('--top-p', float({ min: 0, max: 1, metavar: 'P' }), { description: message`Keep the most likely tokens that reach P together` })),
    ...loading,
    seed,
  }),
  { description: message`Talk with a model, with or without an adapter; reads questions line by line where the input is no terminal` },
);

const score = command(
  'score',
  object('Options', {
    command: constant('score'),
    model,
    adapter,
    input: option('--input', string({ metavar: 'FILE' }), {
      description: message`Texts, one a line, in a .jsonl file one {"text"} a line; - reads the standard input`,
    }),
    ...loading,
    json,
  }),
  { description: message`Log-probability of texts, token by token, and perplexity` },
);

const convert = command(
  'convert',
  object('Options', {
    command: constant('convert'),
    model: option('--model', string({ metavar: 'NAME|DIR|FILE' }), {
      description: message`Model directory, GGUF file, hub name of a pulled model, or a .bin of llama2.c (version 0)`,
    }),
    tokenizer: optional(
      option('--tokenizer', string({ metavar: 'FILE' }), { description: message`With a .bin: its tokenizer, a .bin of llama2.c too` }),
    ),
    dtype: optional(
      option('--dtype', choice(['f32', 'f16', 'bf16']), { description: message`Dtype of the numbers written; f32 if absent` }),
    ),
    quantise: optional(
      option('--quantise', choice(['int8', 'int4']), {
        description: message`Store matrices packed instead, as --weights holds them; read by seal alone`,
      }),
    ),
    out: option('--out', string({ metavar: 'DIR' }), { description: message`Directory to make for the model` }),
    json,
  }),
  { description: message`Write a model anew: other numbers, packed matrices, or from llama2.c` },
);

const merge = command(
  'merge',
  object('Options', {
    command: constant('merge'),
    model,
    adapter: option('--adapter', string({ metavar: 'DIR' }), { description: message`Adapter directory` }),
    dtype: optional(
      option('--dtype', choice(['f32', 'f16', 'bf16']), { description: message`Dtype of the numbers written; the model's own if absent` }),
    ),
    out: option('--out', string({ metavar: 'DIR' }), { description: message`Directory to make for the model` }),
    json,
  }),
  { description: message`Put an adapter into the weights of its model and write the whole model` },
);

const exporting = command(
  'export',
  object('Options', {
    command: constant('export'),
    model,
    adapter,
    as: option('--as', choice(['gguf', 'gguf-lora', 'ollama', 'ollama-lora']), {
      description: message`gguf: a model in one file, with the adapter in it; gguf-lora: the adapter alone; ollama, ollama-lora: a directory with the same and a Modelfile`,
    }),
    dtype: optional(
      option('--dtype', choice(['f32', 'f16', 'bf16', 'q8_0']), { description: message`What matrices of a model are written as; f16 if absent` }),
    ),
    out: option('--out', string({ metavar: 'PATH' }), { description: message`File to write, or for Ollama directory to make` }),
    json,
  }),
  { description: message`Write a model or an adapter for llama.cpp or Ollama, and check that it says the same` },
);

const sft = command(
  'sft',
  object('Options', {
    command: constant('sft'),
    model,
    ...loading,
    data: option('--data', string({ metavar: 'FILE' }), {
      description: message`JSONL: {prompt, completion}, {messages: [{role, content}]} or {text} a line`,
    }),
    out: option('--out', string({ metavar: 'DIR' }), { description: message`Directory for the adapter or model; an unfinished one is continued` }),
    adapterInit: optional(option('--adapter-init', string({ metavar: 'DIR' }), { description: message`Train this adapter on instead of a fresh one` })),
    rank: optional(option('--rank', integer({ min: 1, max: 4_096, metavar: 'N' }), { description: message`Rank of the adapter; 16 if absent` })),
    alpha: optional(option('--alpha', float({ min: 0, metavar: 'A' }), { description: message`The update is scaled by alpha / rank; twice the rank if absent` })),
    targets: optional(
      option('--targets', string({ metavar: 'NAME,NAME,...' }), { description: message`Linear layers to adapt, such as q_proj,v_proj; all seven if absent` }),
    ),
    full: option('--full', { description: message`Train all weights and save a whole model` }),
    learningRate: optional(
      option('--lr', float({ min: 0, metavar: 'RATE' }), { description: message`Largest learning rate; 2e-4 if absent, 2e-5 with --full` }),
    ),
    schedule: withDefault(option('--schedule', choice(['constant', 'linear', 'cosine']), { description: message`Course of the learning rate after the warm-up` }), 'linear'),
    warmUp: withDefault(option('--warmup', integer({ min: 0, max: 1_000_000, metavar: 'N' }), { description: message`Steps in which the rate rises from 0` }), 0),
    epochs: optional(option('--epochs', integer({ min: 1, max: 10_000, metavar: 'N' }), { description: message`Times through the examples; 3 if absent` })),
    steps: optional(option('--steps', integer({ min: 1, max: 1_000_000, metavar: 'N' }), { description: message`Training steps, instead of --epochs` })),
    batch: withDefault(option('--batch', integer({ min: 1, max: 4_096, metavar: 'N' }), { description: message`Examples a step` }), 4),
    seq: optional(
      option('--seq', integer({ min: 2, max: 1_048_576, metavar: 'N' }), { description: message`Tokens an example may have, what is longer is cut; 1024 if absent` }),
    ),
    recompute,
    seed,
    maxTime,
    json,
  }),
  { description: message`Fine-tune a model on examples: an adapter, or with --full all weights` },
);

const tokenize = command(
  'tokenize',
  object('Options', {
    command: constant('tokenize'),
    model,
    input: option('--input', string({ metavar: 'FILE' }), { description: message`UTF-8 text, a line at a time; - is stdin` }),
    special: option('--special', { description: message`With the tokens that the tokenizer puts before and behind every text` }),
    chat: option('--chat', {
      description: message`The file is a conversation, JSON [{role, content}], or JSONL of {messages}; gives a mask of what the assistant says too`,
    }),
    json,
  }),
  { description: message`The token ids of a text's lines` },
);

const words = command('words', object('Options', { command: constant('words'), json }), {
  description: message`The words that the tiny model knows, by role`,
});

const report = command(
  'report',
  object('Options', {
    command: constant('report'),
    run: argument(string({ metavar: 'DIR' }), { description: message`Directory of a finished run` }),
    json,
  }),
  { description: message`Write report.html of a run anew` },
);

const ofTheLoop = [run, adapt, ask, evaluate, pretrain, words, report] as const;
const ofOneModel = [generate, talk, score, merge, exporting, tokenize, sft, convert, pull] as const;
const ofTheMachine = [doctor, bench, tune] as const;
const named = [...ofTheLoop, ...ofOneModel, ...ofTheMachine];

/** All commands. */
export const commands = or(or(...ofTheLoop), or(...ofOneModel), or(...ofTheMachine));

/** The parser of the command that `name` names, which tells what a misspelt option was meant to be; else that of all. */
export function parserOf(name: string | undefined): Parser<'sync', Command, unknown> {
  return named.find(({ leadingNames }) => name !== undefined && leadingNames.has(name)) ?? commands;
}

/** What was asked for, by command. */
export type Command = InferValue<typeof commands>;
export type CommandOf<Name extends Command['command']> = Extract<Command, { readonly command: Name }>;
