import { existsSync, readFileSync } from 'node:fs';

/** The version in the project's package.json: the nearest one above this file. */
export function packageVersion(from: string = import.meta.url): string {
  const file = new URL('package.json', from);
  if (existsSync(file)) return versionOf(readFileSync(file, 'utf8'));
  const above = new URL('../', new URL('.', from));
  return above.href === new URL('.', from).href ? 'unknown' : packageVersion(above.href);
}

function versionOf(text: string): string {
  const parsed: unknown = JSON.parse(text);
  const isObject = typeof parsed === 'object' && parsed !== null;
  return isObject && 'version' in parsed ? String(parsed.version) : 'unknown';
}
