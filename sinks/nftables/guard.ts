import type { AllowRule, PortRange } from '../../config/types.js';
import type { GuardedPorts } from './script.js';

/** Every port that some door allows, once: what the guard closes. */
export function guardedPorts(rules: readonly AllowRule[]): readonly GuardedPorts[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) => {
    const ports = union(rules.filter((rule) => rule.protocol === protocol));
    return ports.length === 0 ? [] : [{ protocol, ports }];
  });
}

function union(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last === undefined || from > last.to + 1) merged.push({ from, to });
    else merged.splice(-1, 1, { from: last.from, to: Math.max(last.to, to) });
  }
  return merged;
}
