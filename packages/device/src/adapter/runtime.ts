/** The JavaScript runtime by name and version, for records and diagnosis. Nothing may be decided by it. */
export function runtimeName(): string {
  if (typeof process === 'undefined') return typeof navigator === 'undefined' ? 'unknown' : navigator.userAgent;
  const { versions } = process;
  if (versions['deno'] !== undefined) return `Deno ${versions['deno']}`;
  if (versions['bun'] !== undefined) return `Bun ${versions['bun']}`;
  return `Node ${versions.node}`;
}

/** The command that runs a TypeScript program of ours in a process of its own, on the runtime that this one is. */
export function programCommand(program: string): { readonly command: string; readonly args: readonly string[] } {
  return { command: process.execPath, args: runtimeName().startsWith('Deno') ? ['run', '--allow-all', '--quiet', program] : [program] };
}
