export type { ReportContext, ReportInput } from './input.ts';
export { renderReport } from './report.ts';
