import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cloneFolder } from '../support/clone.js';

const root = cloneFolder();
const read = (path: string) => readFileSync(join(root, path), 'utf8');

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

/** The instructions of the Dockerfile, continued lines joined. */
const instructions: readonly Instruction[] = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    return { word, rest };
  });
const last = instructions.slice(instructions.findLastIndex(({ word }) => word === 'FROM'));
const all = (word: string, of: readonly Instruction[] = last) =>
  of.filter((each) => each.word === word).map(({ rest }) => rest);

/** What .dockerignore leaves of the clone: all is ignored, then some is not. */
const context = read('.dockerignore')
  .split('\n')
  .flatMap((line) => /^!(.*)$/.exec(line)?.[1] ?? []);

describe('Dockerfile', () => {
  it('ends as a user that is not root', () => {
    const user = all('USER').at(-1);
    assert.equal(user, 'postern');
    assert.match(all('RUN').join('\n'), /useradd --uid [1-9]\d* .*postern/);
  });

  it('leaves compilers, and what only building takes, in its first stage', () => {
    const installed = all('RUN').join(' ');
    for (const name of ['g++', 'gcc', 'make', 'python3', 'libpcap-dev', 'npm ci'])
      assert.ok(!installed.includes(` ${name}`), name);
    for (const rest of all('COPY')) assert.match(rest, /^--from=build \/image\//);
  });

  it('copies only what the clone has and .dockerignore lets through', () => {
    assert.match(read('.dockerignore'), /^\*$/m);
    const sources = all('COPY', instructions)
      .filter((rest) => !rest.startsWith('--from='))
      .flatMap((rest) => rest.split(' ').slice(0, -1));
    assert.ok(sources.includes('src') && sources.includes('package-lock.json'));
    for (const source of sources) {
      assert.ok(existsSync(join(root, source)), source);
      assert.ok(context.includes(source), `.dockerignore: ${source}`);
    }
    for (const path of context) assert.ok(sources.includes(path), `not needed: ${path}`);
  });

  it('hands on those rights that docker-compose.yml gives', () => {
    const given = /^ {2}cap_add: \[(.*)\]$/m.exec(read('docker-compose.yml'))?.[1] ?? '';
    const rights = given.split(', ').map((name) => name.toLowerCase());
    assert.deepEqual(rights.toSorted(), ['net_admin', 'net_raw']);
    const file = /setcap (\S+)\+p /.exec(all('RUN').join(' '))?.[1]?.split(',');
    assert.deepEqual(file?.toSorted(), rights.map((name) => `cap_${name}`).toSorted());
    const command: unknown = JSON.parse(all('CMD').at(-1) ?? '');
    assert.ok(Array.isArray(command));
    for (const flag of ['--inh-caps', '--ambient-caps'])
      assert.equal(command[command.indexOf(flag) + 1], rights.map((name) => `+${name}`).join(','));
    assert.equal(command.at(-1), '/etc/postern/knockd.conf');
  });

  it('has a Node that package.json allows', () => {
    const [least] = /\d+/.exec(/"node": ">=([^"]*)"/.exec(read('package.json'))?.[1] ?? '') ?? [];
    const images = all('FROM', instructions);
    assert.equal(images.length, 2);
    for (const image of images)
      assert.ok(Number(/^node:(\d+)/.exec(image)?.[1]) >= Number(least), image);
  });

  it('says how it is asked for its health and how it is ended', () => {
    assert.match(all('HEALTHCHECK').join(), /CMD postern status/);
    assert.deepEqual([all('STOPSIGNAL'), all('VOLUME')], [['SIGTERM'], ['/var/lib/postern']]);
  });
});
