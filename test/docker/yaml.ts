/**
 * As much YAML as docker-compose.yml is written in: mappings and lists, in blocks or flow style,
 * plain and quoted scalars, `|` blocks, anchors of mappings and `<<`. Throws on what it does not know,
 * so that it never reads a file in another way than others do. Every scalar is a string.
 */
export type Yaml = string | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly number: number;
  readonly indent: number;
  readonly text: string;
}

export function parseYaml(text: string): Yaml {
  const reader = new Reader(text.split('\n'));
  const value = reader.block(0);
  reader.expectEnd();
  return value;
}

class Reader {
  #at = 0;
  readonly #anchors = new Map<string, Yaml>();

  constructor(readonly lines: readonly string[]) {}

  expectEnd(): void {
    const line = this.#peek();
    if (line !== undefined) throw new Error(`line ${line.number}: not understood: ${line.text}`);
  }

  block(indent: number): Yaml {
    const line = this.#peek();
    if (line === undefined || line.indent < indent) return '';
    return /^-( |$)/.test(line.text) ? this.#list(line.indent) : this.#mapping(line.indent);
  }

  #mapping(indent: number): Yaml {
    const entries: Record<string, Yaml> = {};
    const merged: Record<string, Yaml> = {};
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      const parts = /^("[^"]*"|[\w.<-]+):(?: (.*))?$/.exec(line.text);
      if (parts === null) throw new Error(`line ${line.number}: no key: ${line.text}`);
      const key = (parts[1] ?? '').replaceAll('"', '');
      if (key in entries) throw new Error(`line ${line.number}: ${key} again`);
      this.#at += 1;
      const value = this.#value(parts[2] ?? '', indent);
      if (key !== '<<') entries[key] = value;
      else if (typeof value === 'object') Object.assign(merged, value);
    }
    return { ...merged, ...entries };
  }

  #list(indent: number): Yaml {
    const values: Yaml[] = [];
    for (let line = this.#peek(); line?.indent === indent; line = this.#peek()) {
      if (!/^-( |$)/.test(line.text)) throw new Error(`line ${line.number}: no list: ${line.text}`);
      this.#at += 1;
      values.push(this.#value(line.text.slice(2), indent));
    }
    return values;
  }

  /** What stands behind `key:` or `-`, there or in the lines below. */
  #value(rest: string, indent: number): Yaml {
    const anchor = /^&(\w+)$/.exec(rest)?.[1];
    if (anchor !== undefined) {
      const value = this.block(indent + 1);
      this.#anchors.set(anchor, value);
      return value;
    }
    if (rest === '|') return this.#verbatim(indent);
    if (rest === '') return this.block(indent + 1);
    const alias = /^\*(\w+)$/.exec(rest)?.[1];
    if (alias === undefined) return new Flow(rest).whole();
    const value = this.#anchors.get(alias);
    if (value === undefined) throw new Error(`*${alias} is not there`);
    return value;
  }

  #verbatim(indent: number): string {
    const taken: string[] = [];
    for (; this.#at < this.lines.length; this.#at += 1) {
      const raw = this.lines[this.#at] ?? '';
      if (raw.trim() !== '' && indentOf(raw) <= indent) break;
      taken.push(raw);
    }
    const margin = indentOf(taken[0] ?? '');
    return `${taken.map((raw) => raw.slice(margin)).join('\n')}`.replace(/\n*$/, '\n');
  }

  #peek(): Line | undefined {
    for (; this.#at < this.lines.length; this.#at += 1) {
      const raw = this.lines[this.#at] ?? '';
      const text = raw.trim();
      if (text !== '' && !text.startsWith('#'))
        return { number: this.#at + 1, indent: indentOf(raw), text };
    }
    return undefined;
  }
}

function indentOf(raw: string): number {
  return raw.length - raw.trimStart().length;
}

/** `[a, "b"]`, `{key: value}`, a quoted or a plain scalar; on one line. */
class Flow {
  #at = 0;

  constructor(readonly text: string) {}

  whole(): Yaml {
    if (!/^[[{"]/.test(this.text)) {
      if (/ #|: |^['&*!%@`>|]/.test(this.text)) throw new Error(`not understood: ${this.text}`);
      return this.text;
    }
    const value = this.#value();
    if (this.#at < this.text.length) throw new Error(`more than expected: ${this.text}`);
    return value;
  }

  #value(): Yaml {
    if (this.#take('[')) return this.#items(']', () => this.#value());
    if (!this.#take('{')) return this.#scalar();
    const entries = this.#items('}', () => {
      const key = this.#scalar();
      if (!this.#take(':')) throw new Error(`no value for ${key}: ${this.text}`);
      return [key, this.#value()] as const;
    });
    return Object.fromEntries(entries);
  }

  #items<Item>(end: string, item: () => Item): Item[] {
    const items: Item[] = [];
    while (!this.#take(end)) {
      if (items.length > 0 && !this.#take(',')) throw new Error(`no ${end}: ${this.text}`);
      items.push(item());
    }
    return items;
  }

  #scalar(): string {
    const found = /^("[^"\\]*"|[^\s"',:[\]{}#&*!|>%@`][^,:[\]{}]*)/.exec(this.text.slice(this.#at));
    if (found === null) throw new Error(`not understood: ${this.text}`);
    this.#at += found[0].length;
    this.#skip();
    return found[0].trim().replaceAll('"', '');
  }

  #take(sign: string): boolean {
    if (this.text[this.#at] !== sign) return false;
    this.#at += 1;
    this.#skip();
    return true;
  }

  #skip(): void {
    while (this.text[this.#at] === ' ') this.#at += 1;
  }
}
