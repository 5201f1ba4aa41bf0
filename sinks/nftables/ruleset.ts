/** What postern has in the kernel's ruleset: table, sets, guard. */
import type { AllowRule } from '../../config/types.js';
import { PosternError } from '../../src/errors.js';
import { guardedPorts } from './guard.js';
import type { Kernel } from './kernel.js';
import { NftRefusal } from './refusal.js';
import { declaration, Script, type TableName } from './script.js';

/** The head of a table and postern's sets in it. */
const OURS_AMONG_OTHERS = /^table .*|^\tset allow[46]r? \{[^}]*\}/gm;

export class Ruleset {
  #guarded: readonly AllowRule[] | undefined;
  #seen = '';

  constructor(
    readonly table: TableName,
    private readonly kernel: Kernel,
  ) {}

  /** The ports that the guard closes; undefined: no guard. In force with the next `make`. */
  set guarded(rules: readonly AllowRule[] | undefined) {
    this.#guarded = rules;
  }

  get guarded(): readonly AllowRule[] | undefined {
    return this.#guarded;
  }

  /**
   * Makes what is missing, and the guard anew, in one step together with what shall follow.
   * @throws NftRefusal; PosternError POSTERN_E_NFT where a set of the user's is of another kind
   */
  async make(...more: readonly Script[]): Promise<void> {
    const base = Script.join([this.#base(), ...more]);
    try {
      await this.kernel.run(base);
    } catch (error) {
      if (!(error instanceof NftRefusal) || error.kind !== 'exists') throw error;
      if (!this.table.own) throw this.#otherwiseDeclared(error);
      // Made by another version: it is our own, so it can go.
      await this.kernel.run(Script.join([Script.deleteOwnTable(), base]));
    }
    // Gone again already: the monitor has its word for that, and this did what it could.
    this.#seen = await this.#read().catch(() => '');
  }

  /** Whether somebody changed or removed something of it since it was made. */
  async isChanged(): Promise<boolean> {
    try {
      return (await this.#read()) !== this.#seen;
    } catch (error) {
      if (error instanceof NftRefusal && error.kind === 'absent') return true;
      throw error;
    }
  }

  #base(): Script {
    const { table } = this;
    const made = [Script.ensureTable(table), Script.ensureSets(table)];
    if (!table.own) return Script.join(made);
    const guard = this.#guarded === undefined ? [] : guardedPorts(this.#guarded);
    made.push(guard.length > 0 ? Script.guard(table, guard) : Script.withoutGuard(table));
    return Script.join(made);
  }

  /** What is ours, without elements. By the handles one that was made anew is told (`-a`). */
  async #read(): Promise<string> {
    const { table } = this;
    const text = await this.kernel.read(Script.listTable(table), ['-t', '-a']);
    return table.own ? text : (text.match(OURS_AMONG_OTHERS) ?? []).join('\n');
  }

  #otherwiseDeclared(cause: unknown): PosternError {
    const { text, sets } = this.table;
    const wanted = sets.map((set) => `set ${set} ${declaration(set)}`).join(' ');
    return new PosternError(
      'POSTERN_E_NFT',
      `a set of postern's is declared in another way in table ${text}: declare them as ${wanted}`,
      { cause },
    );
  }
}
