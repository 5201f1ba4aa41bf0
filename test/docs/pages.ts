/** The pages of docs/ as tests read them: tables by their rows, code blocks by their language. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiled or not, the project's folder is the one with the package.json. */
async function projectFolder(): Promise<string> {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const found = await readFile(join(folder, 'package.json')).catch(() => undefined);
    if (found !== undefined) return folder;
    if (folder === dirname(folder)) throw new Error('no package.json above this test');
  }
}

/** The text of a file of the project. */
export async function page(path: string): Promise<string> {
  return readFile(join(await projectFolder(), path), 'utf8');
}

/** Cells of every table row below `<!-- marker -->`, or of all tables; headers left out. */
export function rows(text: string, marker?: string): readonly (readonly string[])[] {
  const start = marker === undefined ? 0 : text.indexOf(`<!-- ${marker} -->`);
  if (start < 0) throw new Error(`the page has no table "${marker}"`);
  const table = marker === undefined ? text : (text.slice(start).split('\n\n', 1)[0] ?? '');
  return table
    .split('\n')
    .filter((line) => /^\| *`/.test(line))
    .map((line) => line.split('|').slice(1, -1).map(withoutBlanks));
}

function withoutBlanks(cell: string): string {
  return cell.trim();
}

/** What stands between backticks in a cell. */
export function codes(cell: string): readonly string[] {
  return [...cell.matchAll(/`([^`]*)`/g)].map(([, code = '']) => code);
}

/** The code blocks of one language, with the indentation of a list taken off. */
export function blocks(text: string, language: string): readonly string[] {
  const pattern = new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\`$`, 'gm');
  return [...text.matchAll(pattern)].map(([, indent = '', body = '']) =>
    body.replace(new RegExp(`^${indent}`, 'gm'), ''),
  );
}
