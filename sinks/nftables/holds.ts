/** Which grants hold which elements: doors that share a port share elements. Pure. */
import type { AllowRule } from '../../config/types.js';
import type { Protocol } from '../../machines/types.js';
import { Element, keyOf, type Ports } from './element.js';

/** A grant's part in the sets. */
export interface Hold {
  readonly id: string;
  readonly source: string;
  readonly rules: readonly AllowRule[];
  /** Monotonic ms when the kernel takes it back; Infinity: never. */
  readonly deadlineMs: number;
}

/** An element and when the kernel is to take it out, by the latest of its grants. */
export interface Target {
  readonly element: Element;
  readonly deadlineMs: number;
}

/** What has to be told to the kernel. */
export interface Difference {
  readonly puts: readonly (Target & { readonly known: boolean })[];
  readonly drops: readonly Element[];
}

type Targets = ReadonlyMap<string, Target>;

export class Holds {
  readonly #bySource = new Map<string, Map<string, Hold>>();

  get(id: string, source: string): Hold | undefined {
    return this.#bySource.get(source)?.get(id);
  }

  /** Takes a grant in, or moves its deadline. Its own elements are always among the puts. */
  hold(hold: Hold): Difference {
    const before = this.#targets(hold.source);
    const grants = this.#bySource.get(hold.source) ?? new Map<string, Hold>();
    this.#bySource.set(hold.source, grants.set(hold.id, hold));
    return difference(before, this.#targets(hold.source), hold.rules);
  }

  /**
   * Lets a grant go. What no other grant holds is dropped, also where this one is not known: it may
   * be from an earlier run.
   */
  release(id: string, source: string, rules: readonly AllowRule[]): Difference {
    const before = this.#targets(source);
    const grants = this.#bySource.get(source);
    const known = grants?.delete(id) ?? false;
    if (grants?.size === 0) this.#bySource.delete(source);
    const after = this.#targets(source);
    const { puts, drops } = difference(before, after, []);
    if (known) return { puts, drops };
    const own = rules.map((rule) => Element.of(source, portsOf(rule)));
    return { puts, drops: own.filter((element) => !after.has(keyOf(element))) };
  }

  /** All elements that there should be. */
  targets(): readonly Target[] {
    return [...this.#bySource.keys()].flatMap((source) => [...this.#targets(source).values()]);
  }

  #targets(source: string): Targets {
    const holds = [...(this.#bySource.get(source)?.values() ?? [])];
    const spans = holds.flatMap(({ rules, deadlineMs }) =>
      rules.map((rule) => ({ ...portsOf(rule), deadlineMs })),
    );
    const targets = (['tcp', 'udp'] as const).flatMap((protocol) => {
      const mine = spans.filter((span) => span.protocol === protocol);
      const pieces = disjoint(mine.filter(({ ranged }) => ranged));
      return [...mine.filter(({ ranged }) => !ranged), ...pieces].map((span) =>
        target(source, span),
      );
    });
    return latest(targets);
  }
}

/** A range of one port is a plain port. */
function portsOf({ protocol, from, to }: AllowRule): Ports {
  return { protocol, from, to, ranged: from < to };
}

interface Span extends Ports {
  readonly protocol: Protocol;
  readonly deadlineMs: number;
}

function target(source: string, { deadlineMs, ...ports }: Span): Target {
  return { element: Element.of(source, ports), deadlineMs };
}

function latest(targets: readonly Target[]): Targets {
  const found = new Map<string, Target>();
  for (const each of targets) {
    const key = keyOf(each.element);
    const other = found.get(key);
    if (other === undefined || other.deadlineMs < each.deadlineMs) found.set(key, each);
  }
  return found;
}

/** Ranges of one protocol cut at each other's ends: an interval set takes no overlaps. */
function disjoint(spans: readonly Span[]): readonly Span[] {
  const cuts = [...new Set(spans.flatMap(({ from, to }) => [from, to + 1]))].sort((a, b) => a - b);
  return spans.flatMap((span) => {
    const inside = cuts.filter((cut) => cut >= span.from && cut <= span.to);
    return inside.map((from, i) => ({ ...span, from, to: (inside[i + 1] ?? span.to + 1) - 1 }));
  });
}

function difference(before: Targets, after: Targets, own: readonly AllowRule[]): Difference {
  const isOwn = ({ ports }: Element) =>
    own
      .map(portsOf)
      .some(
        ({ protocol, ranged, from, to }) =>
          protocol === ports.protocol &&
          ranged === ports.ranged &&
          from <= ports.from &&
          ports.to <= to,
      );
  const puts = [...after].flatMap(([key, each]) => {
    const former = before.get(key);
    if (former?.deadlineMs === each.deadlineMs && !isOwn(each.element)) return [];
    return [{ ...each, known: former !== undefined }];
  });
  const drops = [...before].filter(([key]) => !after.has(key)).map(([, { element }]) => element);
  return { puts, drops };
}
