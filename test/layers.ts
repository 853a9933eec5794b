/**
 * The house rules that a parser can check: which room may import which, and what must not appear in a source file.
 * `layers.test.ts` applies them to the repository and to planted violations.
 */

import { parseSync, Visitor, type ParseResult } from 'oxc-parser';

/** Floor of every room; imports go only downward. */
export const FLOORS: Readonly<Record<string, number>> = {
  kernels: 0,
  'packages/files': 0,
  'packages/device': 0,
  'packages/gguf': 1,
  'packages/tokenizer': 2,
  'packages/hub': 2,
  'packages/domains': 2,
  'packages/runs': 2,
  'packages/model': 3,
  'packages/tiny': 4,
  'packages/report': 4,
  'packages/tuner': 5,
  'packages/trainer': 5,
  'packages/engine': 6,
  // Below the apps: it measures everything under it, and `seal bench` runs it.
  benchmarks: 7,
  'apps/cli': 8,
  'apps/server': 8,
  'apps/dashboard': 8,
  test: 9,
};

/** Imports that the floors would allow and the design does not. */
const FORBIDDEN: readonly { readonly from: string; readonly to: string; readonly why: string }[] = [
  { from: 'packages/trainer', to: 'packages/tiny', why: 'the trainer knows domains only by their interface' },
];

/** Below this floor nothing reads the environment, prints, exits or knows a flag. */
const APPS_FLOOR = 8;

/** A flag among other words, such as `use --weights f32`, but not a custom property of CSS. */
const FLAG = /(?:^--[a-z][\w-]*\s+\w|\s--[a-z][\w-]*(?![\w-]*\s*:))/;
/** A command of ours as a shell takes it. */
const SHELL_COMMAND = /`npm run|npm run -s seal/;

/** Files below the apps that name flags which are not those of a command of ours, and why. */
const FLAGS_OF_OTHERS: Readonly<Record<string, string>> = {
  'packages/runs/src/training.ts': 'reads files that were written when settings were kept under the names of flags',
  'packages/model/src/files/llama2c.ts': "says how llama2.c's export is called",
};

/** Files below the apps that are programs of their own, started as processes by their room, and so have pipes and an end. */
const PROGRAMS = ['packages/engine/src/executor/worker.ts'];

/** What only apps may use of `process`. */
const PROCESS = /^(env|exit|exitCode|argv|stdout|stderr|stdin|a computed property)$/;

/** A source file as the rules see it; `path` is relative to the repository's root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What a room's package.json declares: its package name and those it may import. */
export interface Room {
  readonly folder: string;
  readonly name: string | null;
  readonly dependencies: readonly string[];
}

/** The room a file is in, or undefined. */
export function roomOf(path: string): string | undefined {
  return Object.keys(FLOORS).find((folder) => path.startsWith(`${folder}/`));
}

/** Every violation in one file, one sentence each. */
export function violations(file: SourceFile, rooms: readonly Room[]): string[] {
  const folder = roomOf(file.path);
  if (folder === undefined) return [`${file.path} is in no room: add its folder to FLOORS in test/layers.ts`];
  const { program, module, errors } = parseSync(file.path, file.text);
  if (errors.length > 0) return [`${file.path} does not parse: ${errors[0].message}`];
  const found: string[] = [];
  const floor = FLOORS[folder];
  const forTests = /\.(test|bench)\.ts$/.test(file.path);
  const mayTouchProcess = floor >= APPS_FLOOR || forTests || PROGRAMS.includes(file.path);
  const say = (message: string): void => void found.push(`${file.path}: ${message}`);

  const specifiers = specifiersOf({ program, module });
  const look = (text: string): void => {
    if (forTests) return;
    // The path of another room; where it is imported, that is told of below.
    const target = /^(\.\.\/)+\w/.test(text) ? roomOf(new URL(text, `file:///${file.path}`).pathname.slice(1)) : undefined;
    if (target !== undefined && target !== folder && !specifiers.has(text)) say(`${text} leads into ${target}: let that room export what is wanted`);
    if (floor >= APPS_FLOOR) return;
    if (FLAG.test(text) && !(file.path in FLAGS_OF_OTHERS)) say(`only apps know flags (${text.trim().slice(0, 60)}): name the setting in backticks`);
    if (SHELL_COMMAND.test(text)) say(`only apps know commands (${text.trim().slice(0, 60)}): name the verb`);
  };
  for (const { moduleRequest, entries } of module.staticImports) {
    if (!/^(node:)?process$/.test(moduleRequest.value) || mayTouchProcess) continue;
    for (const { importName } of entries) {
      if (PROCESS.test(importName.name ?? '')) say(`only apps touch the process (${importName.name})`);
    }
  }
  const shader = file.path.endsWith('.wgsl.ts');

  new Visitor({
    TemplateLiteral: ({ expressions, quasis }) => {
      if (shader && expressions.length > 0) say('a shader is one literal, without `${}`');
      for (const { value } of quasis) look(value.cooked ?? value.raw);
    },
    Literal: ({ value }) => {
      if (typeof value === 'string') look(value);
    },
    MemberExpression: ({ object, property, computed }) => {
      if (floor >= APPS_FLOOR || forTests || object.type !== 'Identifier') return;
      if (object.name === 'console') say('only apps print (console)');
      if (object.name !== 'process' || mayTouchProcess) return;
      const name = property.type === 'Identifier' && !computed ? property.name : 'a computed property';
      if (PROCESS.test(name)) say(`only apps touch the process (process.${name})`);
    },
    TSEnumDeclaration: () => say('no enums'),
    ClassDeclaration: ({ superClass }) => {
      if (superClass && !(superClass.type === 'Identifier' && superClass.name.endsWith('Error'))) say('no inheritance');
    },
  }).visit(program);

  for (const specifier of specifiers) {
    const problem = importProblem(specifier, file.path, folder, forTests, rooms);
    if (problem !== null) say(problem);
  }
  return found;
}

/** What a file imports or exports again, types included. */
function specifiersOf({ program, module }: Pick<ParseResult, 'program' | 'module'>): Set<string> {
  const specifiers = new Set(module.staticImports.map(({ moduleRequest }) => moduleRequest.value));
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest } of entries) if (moduleRequest) specifiers.add(moduleRequest.value);
  }
  new Visitor({
    // Covers `import('x')` in types and in code; a computed name cannot be checked and is left to review.
    ImportExpression: ({ source }) => {
      if (source.type === 'Literal' && typeof source.value === 'string') specifiers.add(source.value);
    },
    TSImportType: ({ source }) => void specifiers.add(source.value),
  }).visit(program);
  return specifiers;
}

/**
 * Files that import one another around, and rooms whose files do, types included: `a -> b -> a`, one sentence for each
 * set of names that reach each other. Tests lead nowhere: nothing imports them.
 */
export function circles(files: readonly SourceFile[], rooms: readonly Room[]): string[] {
  const ofFiles = new Map<string, Set<string>>();
  const ofRooms = new Map<string, Set<string>>();
  for (const { path, text } of files) {
    const folder = roomOf(path);
    if (folder === undefined || /\.(test|bench)\.ts$/.test(path)) continue;
    const own = ofRooms.get(folder) ?? new Set<string>();
    const targets = new Set<string>();
    for (const specifier of specifiersOf(parseSync(path, text))) {
      if (specifier.startsWith('.')) targets.add(new URL(specifier, `file:///${path}`).pathname.slice(1));
      const room = rooms.find(({ name }) => name === specifier.split('/').slice(0, 2).join('/'));
      if (room) own.add(room.folder);
    }
    ofFiles.set(path, targets);
    ofRooms.set(folder, own);
  }
  return [...circlesOf(ofFiles), ...circlesOf(ofRooms)];
}

function circlesOf(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  /** The shortest way from one name to another, both included, or null. */
  const way = (from: string, to: string): string[] | null => {
    const before = new Map<string, string>();
    const reached = [from];
    for (const name of reached) {
      for (const next of graph.get(name) ?? []) {
        if (before.has(next)) continue;
        before.set(next, name);
        reached.push(next);
      }
    }
    if (!before.has(to)) return null;
    const names = [to];
    do names.unshift(before.get(names[0] ?? to) ?? from);
    while (names[0] !== from);
    return names;
  };
  const told = new Set<string>();
  const found: string[] = [];
  for (const name of graph.keys()) {
    const circle = told.has(name) ? null : way(name, name);
    if (!circle) continue;
    found.push(circle.join(' -> '));
    for (const other of graph.keys()) if (way(name, other) && way(other, name)) told.add(other);
  }
  return found;
}

function importProblem(
  specifier: string,
  path: string,
  folder: string,
  forTests: boolean,
  rooms: readonly Room[],
): string | null {
  if (specifier.startsWith('.')) {
    const target = new URL(specifier, `file:///${path}`).pathname.slice(1);
    if (!target.startsWith(`${folder}/`)) return `imports ${specifier}, which leaves the room: import its package`;
    return /\.(ts|js|json)$/.test(specifier) ? null : `imports ${specifier} without its extension`;
  }
  if (!specifier.startsWith('@seal/')) return null;
  const [scope, name] = specifier.split('/');
  const target = rooms.find((room) => room.name === `${scope}/${name}`);
  if (!target) return `imports ${specifier}, which is no room`;
  if (target.folder === folder) return `imports ${specifier}, its own room, by name`;
  const rule = FORBIDDEN.find(({ from, to }) => from === folder && to === target.folder);
  if (rule) return `imports ${specifier}: ${rule.why}`;
  // A test or benchmark may stand beside another room of its floor, as it needs a device to run on.
  const allowed = forTests ? FLOORS[target.folder] <= FLOORS[folder] : FLOORS[target.folder] < FLOORS[folder];
  if (!allowed) {
    return `imports ${specifier} (floor ${FLOORS[target.folder]}) from floor ${FLOORS[folder]}: imports go only downward`;
  }
  const own = rooms.find((room) => room.folder === folder);
  if (own?.name && !own.dependencies.includes(target.name ?? '')) {
    return `imports ${specifier}, which its package.json does not declare`;
  }
  return null;
}
