/**
 * Mesa's software Vulkan driver on Debian and Ubuntu.
 *
 * Debian 12 ships Mesa 22.3, which Dawn refuses; a good one is in its backports. That suite is taken from the mirror
 * the system already uses, in an apt run that has its own sources, lists and cache in a temporary folder, so that the
 * system's sources, lists and pins stay as they were.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PACKAGE = 'mesa-vulkan-drivers';

/** Key and value pairs of /etc/os-release. */
export function parseOsRelease(text) {
  const pairs = [...text.matchAll(/^([A-Z_]+)=(?:"([^"\n]*)"|'([^'\n]*)'|([^\n]*))$/gm)];
  return Object.fromEntries(pairs.map(([, key, double, single, bare]) => [key, double ?? single ?? bare]));
}

/** What a person would type to install the driver, or null where we do not know the package manager. */
export function driverCommand(os) {
  if (needsBackports(os)) {
    const suite = `${os.VERSION_CODENAME}-backports`;
    const uri = backportsSource(systemSources(), os.VERSION_CODENAME)?.uris[0] ?? 'YOUR-DEBIAN-MIRROR';
    return [
      `echo 'deb ${uri} ${suite} main' | sudo tee /etc/apt/sources.list.d/${suite}.list`,
      `sudo apt-get update && sudo apt-get install -y -t ${suite} ${PACKAGE}`,
    ].join('\n');
  }
  return usesApt(os) ? `sudo apt-get update && sudo apt-get install -y ${PACKAGE}` : null;
}

/** Installs the driver as root. Returns null, or why it did not work. */
export function installDriver(os) {
  if (!needsBackports(os)) {
    // A failing update still leaves the lists that were there, so only the installation decides.
    apt(['update']);
    return apt(['install', '-y', '--no-install-recommends', PACKAGE]);
  }
  const codename = os.VERSION_CODENAME;
  const sources = systemSources();
  const source = backportsSource(sources, codename);
  if (source === null) return `no apt source of this system offers ${codename} main, so its mirror is unknown`;
  const own = mkdtempSync(join(tmpdir(), 'seal-apt-'));
  try {
    chmodSync(own, 0o755);
    for (const folder of ['parts', 'lists/partial', 'cache/archives/partial']) {
      mkdirSync(join(own, folder), { recursive: true });
    }
    const suites = [codename, `${codename}-updates`, `${codename}-backports`];
    const security = sources.filter((candidate) => candidate.suites.includes(`${codename}-security`));
    const stanzas = [{ ...source, suites, components: ['main'] }, ...security].map(formatSource);
    writeFileSync(join(own, 'parts', 'mirror.sources'), stanzas.join('\n'));
    const options = [
      'Dir::Etc::sourcelist=/dev/null',
      `Dir::Etc::sourceparts=${join(own, 'parts')}`,
      `Dir::State::lists=${join(own, 'lists')}`,
      `Dir::Cache=${join(own, 'cache')}`,
    ].flatMap((option) => ['-o', option]);
    return (
      apt([...options, 'update']) ??
      apt([...options, 'install', '-y', '--no-install-recommends', '-t', `${codename}-backports`, PACKAGE])
    );
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
}

function usesApt(os) {
  return [os.ID, ...(os.ID_LIKE ?? '').split(' ')].some((id) => id === 'debian' || id === 'ubuntu');
}

function needsBackports(os) {
  return os.ID === 'debian' && os.VERSION_ID === '12';
}

/** Runs apt-get silently. Returns null, or the end of what it said. */
function apt(args) {
  const { status, error, stdout, stderr } = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) return error.message;
  if (status === 0) return null;
  const lines = stderr.trim() === '' ? stdout : stderr;
  return `apt-get ${args.at(-1)} failed:\n${lines.trim().split('\n').slice(-8).join('\n')}`;
}

/** Every enabled binary source of the system. */
function systemSources() {
  const texts = [];
  const add = (path) => {
    if (existsSync(path)) texts.push({ deb822: path.endsWith('.sources'), text: readFileSync(path, 'utf8') });
  };
  add('/etc/apt/sources.list');
  const parts = '/etc/apt/sources.list.d';
  if (existsSync(parts)) {
    for (const name of readdirSync(parts).sort()) {
      if (/\.(sources|list)$/.test(name)) add(join(parts, name));
    }
  }
  return texts.flatMap(({ deb822, text }) => (deb822 ? parseDeb822(text) : parseOneLine(text)));
}

/** Sources in apt's deb822 format: stanzas of `Field: value`, continued on lines that start with a blank. */
export function parseDeb822(text) {
  const stanzas = text.replace(/^#.*\n?/gm, '').split(/\n[ \t]*\n+/);
  return stanzas.flatMap((stanza) => {
    const fields = new Map();
    let last = null;
    for (const line of stanza.split('\n')) {
      const start = /^([A-Za-z0-9-]+):[ \t]*(.*)$/.exec(line);
      if (start) {
        last = start[1].toLowerCase();
        fields.set(last, start[2]);
      } else if (last !== null && /^[ \t]+\S/.test(line)) {
        fields.set(last, `${fields.get(last)}\n${line}`);
      }
    }
    const words = (name) => (fields.get(name) ?? '').split(/\s+/).filter(Boolean);
    if (!words('types').includes('deb') || /^(no|false|0|off|disable|without)$/i.test(fields.get('enabled') ?? '')) return [];
    const options = [...fields].filter(([name]) => !['types', 'uris', 'suites', 'components', 'enabled'].includes(name));
    return [{ uris: words('uris'), suites: words('suites'), components: words('components'), options }];
  });
}

/** Sources in apt's one-line format: `deb [option=value ...] uri suite component ...`. */
export function parseOneLine(text) {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)/.exec(line);
    if (!match) return [];
    const [, options = '', uri, suite, components] = match;
    return [
      {
        uris: [uri],
        suites: [suite],
        components: components.split(/\s+/).filter(Boolean),
        options: [...options.matchAll(/([^\s=]+)=(\S+)/g)].map(([, name, value]) => [
          name.toLowerCase() === 'arch' ? 'architectures' : name.toLowerCase(),
          value.replaceAll(',', ' '),
        ]),
      },
    ];
  });
}

/** The source that offers `codename main`: Debian's own mirror rather than a vendor's repository of the same name. */
export function backportsSource(sources, codename) {
  const fitting = sources.filter(({ suites, components }) => suites.includes(codename) && components.includes('main'));
  return fitting.find(({ uris }) => uris.some((uri) => /\/debian\/?$/.test(uri))) ?? fitting[0] ?? null;
}

/** A source in deb822 format, its signing key and other options kept. */
export function formatSource({ uris, suites, components, options }) {
  const fields = [
    ['Types', 'deb'],
    ['URIs', uris.join(' ')],
    ['Suites', suites.join(' ')],
    ['Components', components.join(' ')],
    ...options,
  ];
  return `${fields.map(([name, value]) => `${name}: ${value}`).join('\n')}\n`;
}
