export { openAdapter } from './session.ts';
