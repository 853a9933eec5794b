/** What needs no page: the result for a terminal, and numbers in words. */
export { counted, duration } from './format.ts';
export { renderTable } from './table.ts';
