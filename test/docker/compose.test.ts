import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { readOneTimeFile } from '../../config/one-time-file.js';
import { parseConfiguration } from '../../config/parse.js';
import { cloneFolder } from '../support/clone.js';
import { makeFolder } from '../support/daemon.js';
import { parseYaml } from './yaml.js';

const root = cloneFolder();
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** What these tests look at of docker-compose.yml. */
const service = z.object({
  image: z.literal('postern'),
  command: z.array(z.string()).default([]),
  user: z.string().optional(),
  privileged: z.string().optional(),
  init: z.string().optional(),
  cap_drop: z.array(z.string()).default([]),
  cap_add: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  read_only: z.string().optional(),
  network_mode: z.string().optional(),
  networks: z.object({ wall: z.object({ ipv4_address: z.string() }) }).optional(),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
});
type Service = z.infer<typeof service>;
const file = z
  .object({
    services: z.record(z.string(), service),
    networks: z.object({
      wall: z.object({ ipam: z.object({ config: z.array(z.object({ subnet: z.string() })) }) }),
    }),
    volumes: z.record(z.string(), z.literal('')),
  })
  .parse(parseYaml(read('docker-compose.yml')));

const services = Object.entries(file.services);
const named = (name: RegExp) => services.filter(([each]) => name.test(each));
const bastions = named(/^bastion\d$/);
const addressOf = (each: Service | undefined) => each?.networks?.wall.ipv4_address;
const mounts = (each: Service) =>
  each.volumes.map((volume) => {
    const [source = '', target = '', mode = 'rw'] = volume.split(':');
    return { source, target, mode };
  });
/** Where a file that a container has at that path comes from. */
const mountOf = (each: Service, path: string) =>
  mounts(each).find(({ target }) => path.startsWith(`${target}/`));

/** The configuration that the bastions run with. */
function configuration() {
  const { configuration, diagnostics } = parseConfiguration(
    read('config/docker/knockd.conf'),
    'config/docker/knockd.conf',
  );
  assert.deepEqual(diagnostics, []);
  assert.ok(configuration);
  return configuration;
}

describe('docker-compose.yml', () => {
  it('gives bastions NET_ADMIN and NET_RAW, and no other container any right', () => {
    assert.ok(bastions.length >= 2);
    for (const [name, each] of services) {
      const rights = bastions.some(([bastion]) => bastion === name) ? ['NET_ADMIN', 'NET_RAW'] : [];
      assert.deepEqual(each.cap_add.toSorted(), rights, name);
      assert.deepEqual(each.cap_drop, ['ALL'], name);
      assert.deepEqual(each.security_opt, ['no-new-privileges:true'], name);
      assert.equal(each.read_only, 'true', name);
      assert.equal(each.user, undefined, `${name}: the image's own user`);
      assert.equal(each.privileged, undefined, name);
      assert.doesNotMatch(each.network_mode ?? '', /host/, name);
    }
  });

  it('starts a bastion by the command of the image, which alone hands the rights on', () => {
    for (const [name, each] of bastions)
      assert.deepEqual([each.command, each.init], [[], undefined], name);
  });

  it('mounts only what is there: folders of the clone read-only, volumes that are declared', () => {
    for (const [name, each] of services) {
      for (const { source, mode } of mounts(each)) {
        if (!source.startsWith('.')) assert.ok(source in file.volumes, `${name}: ${source}`);
        else assert.deepEqual([existsSync(join(root, source)), mode], [true, 'ro'], name);
      }
      const script = each.command.find((word) => word.startsWith('/source/'));
      if (script === undefined) continue;
      const sources = mountOf(each, script)?.source ?? '';
      const text = read(join(sources, script.slice('/source/'.length)));
      const used = [...text.matchAll(/\/source\/(\S+)/g)].map(([, path = '']) => path);
      assert.ok(used.length > 0);
      for (const path of used) assert.ok(existsSync(join(root, sources, path)), path);
    }
  });

  it('keeps the settings from being written by any but what prepares them', () => {
    for (const [name, each] of services) {
      const settings = mounts(each).find(({ source }) => source === 'settings');
      if (settings !== undefined)
        assert.equal(settings.mode, name.startsWith('prepare') ? 'rw' : 'ro', name);
    }
  });

  it('has the addresses of test/cluster/network.sh', () => {
    const table = new Map(
      [...read('test/cluster/network.sh').matchAll(/^# {3}NAME-(\w+) .*?((?:\d+\.){3}\d+)/gm)].map(
        ([, place = '', address = '']) => [place, address],
      ),
    );
    assert.equal(addressOf(file.services['redis']), table.get('redis'));
    assert.equal(addressOf(file.services['client']), table.get('c1'));
    const [a, b, c, first] = (table.get('b1') ?? '').split('.').map(Number);
    for (const [index, [name, each]] of bastions.entries())
      assert.equal(addressOf(each), [a, b, c, (first ?? 0) + index].join('.'), name);
    assert.deepEqual(file.networks.wall.ipam.config, [{ subnet: `${a}.${b}.${c}.0/24` }]);
  });

  it('lets no door be open before it is guarded: a service waits for its bastion', () => {
    for (const [name, each] of named(/^service\d$/)) {
      const bastion = name.replace('service', 'bastion');
      assert.equal(each.network_mode, `service:${bastion}`);
      assert.equal(each.depends_on[bastion]?.condition, 'service_healthy', name);
    }
    assert.equal(named(/^service\d$/).length, bastions.length);
  });

  it('runs a configuration without an error, with a door of each kind', () => {
    const { doors, options } = configuration();
    assert.equal(options.redis, `redis://${addressOf(file.services['redis'])}`);
    assert.ok(options.cluster !== undefined && options.nftGuard);
    const kinds = doors.map(({ runOn, sequence }) => `${runOn} ${sequence.kind}`);
    assert.deepEqual(kinds, ['here fixed', 'everywhere fixed', 'everywhere oneTime']);
    const ports = doors.flatMap(({ allow }) => allow.map(({ from }) => from));
    for (const [name, { command }] of named(/^service\d$/))
      assert.ok(command.join(' ').includes(`[${ports.join(', ')}]`), name);
  });

  it('has each file that the configuration names in a volume that can hold it', () => {
    const { doors, options } = configuration();
    const prepare = read('config/docker/prepare.sh');
    for (const [name, each] of bastions) {
      for (const path of [options.clusterKeyFile, options.redisPasswordFile ?? '']) {
        assert.equal(mountOf(each, path)?.source, 'settings', `${name}: ${path}`);
        assert.ok(prepare.includes(path.replace('/etc/postern', '$settings')), path);
      }
      for (const { sequence } of doors) {
        if (sequence.kind === 'fixed') continue;
        const mount = mountOf(each, sequence.file);
        // It is marked: writable, and this bastion's own.
        assert.deepEqual([mount?.source, mount?.mode], [name, 'rw']);
        assert.ok(prepare.includes(sequence.file.replace('/var/lib/postern', '$state')));
      }
      assert.equal(mountOf(each, `${options.stateDir}/journal.key`)?.source, name);
    }
  });

  it('comes with one-time sequences that are all read', async () => {
    // As prepare.sh places it: whoever owns the clone.
    const folder = await makeFolder();
    try {
      const path = join(folder, 'admin');
      await writeFile(path, read('config/docker/sequences'), { mode: 0o600 });
      const { lines, diagnostics } = await readOneTimeFile(path);
      assert.deepEqual([lines.length, diagnostics], [3, []]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
