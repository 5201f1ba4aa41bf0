import assert from 'node:assert/strict';
import { firewallAdvice } from '../../src/firewall/index.js';
import { parseRuleset } from '../../src/firewall/ruleset.js';
import { loads } from '../config/support/parsed.js';
import { SERVICE, useLab } from '../support/lab.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6 } from '../support/netns.js';
import { type HostRuleset, RULESETS } from './rulesets.js';

const SIDES = [
  { version: 4, client: CLIENT4, server: SERVER4 },
  { version: 6, client: CLIENT6, server: SERVER6 },
] as const;

describe('advice on the firewall, tried by connecting', function () {
  this.timeout(60_000);
  const lab = useLab();
  const nft = (input: string) => lab.network.must('server', ['nft', '-f', '-'], { input });

  /** Loads a ruleset in place of the one before. */
  async function load({ nft: text = '', iptables }: HostRuleset): Promise<void> {
    await nft('flush ruleset');
    for (const [index, rules] of (iptables ?? []).entries()) {
      const tool = index === 0 ? 'iptables-restore' : 'ip6tables-restore';
      await lab.network.must('server', [tool], { input: rules });
    }
    await nft(text);
  }

  /** What is advised, as lines `CODE message`. */
  async function advised({ table }: HostRuleset): Promise<readonly string[]> {
    const option = { guard: 'nft_guard = yes', none: '' }[table] ?? `nft_table = ${table}`;
    const configuration = loads(
      `[options]\n${option}\n[ssh]\nsequence = 1,3,2\nallow = ${SERVICE}/tcp`,
    );
    const list = (...flags: string[]) =>
      lab.network.must('server', ['nft', ...flags, 'list', 'ruleset']);
    const ruleset = parseRuleset(await list('-j'), await list('-a', '-t'));
    const interfaces = [lab.network.interfaces.server];
    return firewallAdvice(configuration, ruleset, { interfaces }).map(
      ({ code, message }) => `${code} ${message}`,
    );
  }

  /** What a user would see: connections before and after a knock, in the words of the advice. */
  async function seen({ table }: HostRuleset): Promise<readonly string[]> {
    const sets = { guard: 'inet postern', none: undefined }[table] ?? table;
    const sides = SIDES.map(async ({ version, client, server }) => {
      const before = (await lab.reaches(server)) ? [`OPEN ${version}`] : [];
      // A table of IPv4 alone has a set for IPv6 that no packet meets.
      if (table !== 'none')
        await nft(
          `add element ${sets} allow${version} { ${client} . tcp . ${SERVICE} timeout 1m }`,
        );
      return (await lab.reaches(server)) ? before : [...before, `SHUT ${version}`];
    });
    return (await Promise.all(sides)).flat().sort();
  }

  /** The same of the advice. */
  function claims(lines: readonly string[]): readonly string[] {
    return lines
      .flatMap((line) => {
        const [, code = ''] = /POSTERN_W_FIREWALL_(\w+)/.exec(line) ?? [];
        const [, version] = /over IPv(\d)/.exec(line) ?? [];
        return (version === undefined ? [4, 6] : [version]).map((each) => `${code} ${each}`);
      })
      .sort();
  }

  for (const ruleset of RULESETS)
    it(`says what is true of a ruleset with ${ruleset.name}`, async () => {
      await load(ruleset);
      const lines = await advised(ruleset);
      if (ruleset.unknown) {
        assert.ok(
          lines.some((line) => /UNKNOWN/.test(line) && ruleset.unknown?.test(line)),
          lines.join('\n'),
        );
        const truth = await seen(ruleset);
        const sure = claims(lines.filter((line) => !line.includes('UNKNOWN')));
        for (const claim of sure) assert.ok(truth.includes(claim), `${claim}: ${lines.join('\n')}`);
        return;
      }
      assert.deepEqual(claims(lines), await seen(ruleset), lines.join('\n'));
    });
});
