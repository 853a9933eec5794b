/**
 * Makes a fresh clone ready, and is quick and quiet when it already is: `npm start` and `npm test` run it first.
 *
 *  1. installs the dependencies when node_modules is missing or older than the lockfile (Node 24 comes with them);
 *  2. opens a WebGPU device in a child process; where that fails on Debian or Ubuntu and we are root, installs Mesa's
 *     software Vulkan driver; else says what to run and exits with 4.
 *
 * Plain JavaScript without dependencies, because it runs on the system's own Node (20.20 or later) before anything is
 * installed. Everything it says goes to stderr, so that `--json` output stays clean.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { driverCommand, installDriver, parseOsRelease } from './vulkan-driver.js';

const NO_DEVICE = 4;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const say = (message) => process.stderr.write(`${message}\n`);

function fail(message, code) {
  say(message);
  process.exit(code);
}

/** npm writes node_modules/.package-lock.json last, so its time is the time of the installation. */
function dependenciesAreCurrent() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed) || !existsSync(localNode())) return false;
  const lockfile = join(root, 'package-lock.json');
  return !existsSync(lockfile) || statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs;
}

function localNode() {
  return join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

function installDependencies() {
  say('Installing dependencies (about half a minute) ...');
  // `npm ci` refuses the lockfile where the registry lacks packages of other platforms; `--no-save` leaves it as it is.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const windows = process.platform === 'win32';
  const { status, error } = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync(windows ? 'npm.cmd' : 'npm', args, { cwd: root, stdio: ['ignore', 2, 2], shell: windows });
  if (error) fail(`Cannot run npm: ${error.message}`, 2);
  if (status !== 0) fail('Cannot install the dependencies: `npm install` failed, its messages are above', 2);
  // A newer time than the lockfile's, even when npm found nothing to do.
  const now = new Date();
  utimesSync(join(root, 'node_modules', '.package-lock.json'), now, now);
}

/** Null when a device opens and computes, else the reason. */
function deviceProblem() {
  const entry = new URL('../packages/device/src/index.ts', import.meta.url).href;
  const code = `const { checkDevice } = await import(${JSON.stringify(entry)});
    const { ok, problem } = await checkDevice();
    process.stdout.write(JSON.stringify({ ok, problem }), () => process.exit(0));`;
  // Some Vulkan layers complain on stderr where this is unset; Dawn prints warnings there in any case.
  const env = { ...process.env, XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir() };
  const { stdout, signal, status } = spawnSync(localNode(), ['--input-type=module', '-e', code], {
    cwd: root,
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  });
  try {
    const { ok, problem } = JSON.parse(stdout);
    return ok ? null : problem;
  } catch {
    return `opening a device ended with ${signal ?? `exit code ${status}`}`;
  }
}

if (!dependenciesAreCurrent()) installDependencies();

let problem = deviceProblem();
if (problem !== null) {
  const os = existsSync('/etc/os-release') ? parseOsRelease(readFileSync('/etc/os-release', 'utf8')) : {};
  const command = process.platform === 'linux' ? driverCommand(os) : null;
  if (command === null) fail(problem, NO_DEVICE);
  if (process.getuid() !== 0) {
    fail(`${problem}\n\nTo install a software Vulkan driver, run:\n\n${command}\n\nthen start again.`, NO_DEVICE);
  }
  say('No usable WebGPU adapter: installing the software Vulkan driver mesa-vulkan-drivers (one or two minutes) ...');
  const failure = installDriver(os);
  if (failure !== null) fail(`Cannot install mesa-vulkan-drivers: ${failure}\n\nBy hand:\n\n${command}`, NO_DEVICE);
  problem = deviceProblem();
  if (problem !== null) fail(`mesa-vulkan-drivers is installed, but: ${problem}`, NO_DEVICE);
  say('The driver works.');
}
