import assert from 'node:assert/strict';
import { CLUSTER_DIRECTIVES } from '../../config/cluster.js';
import { parseConfiguration } from '../../config/parse.js';
import type { Configuration } from '../../config/types.js';
import { reload } from '../../src/reload.js';

const DOOR = '[ssh]\nsequence = 27000,29000,28000\nallow = 22/tcp\n';

const BEFORE = {
  cluster: 'edge',
  host: 'b1',
  cluster_key_file: '/k1',
  redis: 'rediss://user@192.0.2.10',
  redis_password_file: '/p1',
  redis_ca_file: '/ca1',
  redis_cert_file: '/cert1',
  redis_key_file: '/key1',
  redis_wait: '1',
  clock_tolerance: '2',
};

const AFTER: Readonly<Record<keyof typeof BEFORE, string>> = {
  cluster: 'core',
  host: 'b2',
  cluster_key_file: '/k2',
  redis: 'rediss://user@192.0.2.11',
  redis_password_file: '/p2',
  redis_ca_file: '/ca2',
  redis_cert_file: '/cert2',
  redis_key_file: '/key2',
  redis_wait: '2',
  clock_tolerance: '3',
};

const text = (options: Readonly<Record<string, string>>) =>
  `[options]\n${Object.entries(options)
    .map((each) => `${each.join(' = ')}\n`)
    .join('')}${DOOR}`;

function configuration(options: Readonly<Record<string, string>>): Configuration {
  const parsed = parseConfiguration(text(options), 'file.conf').configuration;
  assert.ok(parsed);
  return parsed;
}

/** What a reload from the one to the other says, and whether it is in force. */
async function reloaded(options: Readonly<Record<string, string>>) {
  const taken: Configuration[] = [];
  const outcome = await reload(
    configuration(BEFORE),
    async () => parseConfiguration(text(options), 'file.conf'),
    async (given) => {
      taken.push(given);
      return [];
    },
  );
  assert.equal(outcome.reloaded, taken.length === 1);
  return outcome;
}

describe('a reload in a cluster', () => {
  it('knows of each directive of the cluster', () => {
    assert.deepEqual(
      CLUSTER_DIRECTIVES.map(({ name }) => name),
      Object.keys(BEFORE),
    );
  });

  for (const [directive, value] of Object.entries(AFTER))
    it(`says that ${directive} takes effect at the next start`, async () => {
      assert.deepEqual(await reloaded({ ...BEFORE, [directive]: value }), {
        reloaded: true,
        messages: [`file.conf: ${directive}: takes effect at the next start`],
      });
    });

  it('takes run_on at once', async () => {
    assert.deepEqual(await reloaded({ ...BEFORE, run_on: 'everywhere' }), {
      reloaded: true,
      messages: [],
    });
  });

  it('changes nothing for a file in which directives do not go together', async () => {
    const { redis: _, ...lone } = BEFORE;
    const { reloaded: isReloaded, messages } = await reloaded(lone);
    assert.equal(isReloaded, false);
    assert.match(messages.join('\n'), /cluster needs the Redis/);
  });
});
