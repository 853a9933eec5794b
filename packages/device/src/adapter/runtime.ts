/** The JavaScript runtime by name and version, for records and diagnosis. Nothing may be decided by it. */
export function runtimeName(): string {
  if (typeof process === 'undefined') return typeof navigator === 'undefined' ? 'unknown' : navigator.userAgent;
  const { versions } = process;
  if (versions['deno'] !== undefined) return `Deno ${versions['deno']}`;
  if (versions['bun'] !== undefined) return `Bun ${versions['bun']}`;
  return `Node ${versions.node}`;
}
