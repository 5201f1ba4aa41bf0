/**
 * `import { testSink } from 'postern/testing'`: whether a sink of one's own keeps to what postern
 * asks of it. Needs no postern that runs; for node:test, mocha or none. docs/sink-modules.md
 */
import { AssertionError } from 'node:assert';
import { examine } from './testing/examine.js';
import type { SinkReport, TestSinkOptions } from './testing/types.js';

export type { ModuleContext, UserSink, UserSinkFactory } from '../sinks/module/contract.js';
export type { SinkGrant } from '../sinks/types.js';
export type { SinkReport, TestSinkOptions } from './testing/types.js';

/**
 * Calls the sink in every way that postern may, and says what it does wrong. `exported` is what the
 * module exports by default: a sink, or the function that makes one.
 */
export function examineSink(exported: unknown, options: TestSinkOptions = {}): Promise<SinkReport> {
  return examine(exported, options);
}

/**
 * As `examineSink`.
 * @throws AssertionError with all findings, when there are any
 */
export async function testSink(
  exported: unknown,
  options: TestSinkOptions = {},
): Promise<SinkReport> {
  const report = await examine(exported, options);
  if (report.ok) return report;
  throw new AssertionError({
    message: ['the sink does not keep to its contract:', ...report.findings].join('\n- '),
    actual: report.findings,
    expected: [],
    operator: 'testSink',
  });
}
