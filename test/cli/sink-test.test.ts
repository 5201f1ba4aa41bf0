import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { MailServer, PASSWORD, USER } from '../sinks/email/mail-server.js';
import { makeCertificates } from '../sinks/webhook/certificates.js';
import { node } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { Program } from '../support/program.js';
import { run } from '../support/run.js';

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes now').toString('base64')}`;
const TOKEN = 'tok3n-0f-the-url';

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

describe('postern sink test', () => {
  let folder: string;
  let server: Server;
  let received: Received[];
  let status: number | 'none';
  before(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        received.push({ headers: request.headers, body });
        if (status !== 'none') response.writeHead(status).end();
      });
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(async () => {
    [received, status] = [[], 200];
    folder = await mkdtemp(join(tmpdir(), 'postern-sink-'));
    await writeFile(join(folder, 'secret'), `${SECRET}\n`, { mode: 0o600 });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const url = () => {
    const address: AddressInfo | string | null = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return `http://user:${TOKEN}@127.0.0.1:${address.port}/${TOKEN}?key=${TOKEN}`;
  };

  /** The command line for a configuration with one webhook and these lines. */
  async function argv(words: readonly string[], ...lines: readonly string[]) {
    const conf = join(folder, 'conf');
    const hook = ['[webhook:ops]', `url = ${url()}`, `secret_file = ${folder}/secret`, ...lines];
    await writeFile(conf, [...hook, ''].join('\n'), { mode: 0o600 });
    return node('postern', 'sink', 'test', ...words, '-c', conf);
  }

  async function test(words: readonly string[], ...lines: readonly string[]) {
    const { code, stdout, stderr } = await run(await argv(words, ...lines));
    for (const secret of [TOKEN, SECRET.slice(6)])
      assert.ok(!`${stdout}${stderr}`.includes(secret), `${stdout}${stderr}`);
    return { code, stdout, stderr };
  }

  it('sends a signed grant that is marked as a test, and says so', async () => {
    const { code, stdout, stderr } = await test(['webhook:ops']);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(
      stdout,
      /^\[webhook:ops\] was told of open of the grant test-[0-9a-f]{12}, \d+ ms\n$/,
    );
    const [{ body, headers } = { body: '', headers: {} }] = received;
    assert.equal(received.length, 1);
    const signed = Object.fromEntries(
      Object.entries(headers).map(([key, value]) => [key, `${value}`]),
    );
    assert.ok(new Webhook(SECRET).verify(body, signed));
    assert.match(body, /"192\.0\.2\.1"/);
    assert.match(body, /"test":true/);
    assert.deepEqual((await readdir(folder)).sort(), ['conf', 'secret'], 'no daemon, no state');
  });

  it('sends what --event says, or what the sink is told of', async () => {
    for (const event of ['close', 'failed']) {
      const { code, stdout } = await test(['WebHook:ops', '--event', event]);
      assert.equal(code, 0);
      assert.match(stdout, new RegExp(`was told of ${event} of`));
    }
    const { stdout } = await test(['webhook:ops'], 'events = failed');
    assert.match(stdout, /was told of failed of/);
    assert.equal(received.length, 3);
    const other = await test(['webhook:ops', '--event', 'open'], 'events = failed, close');
    assert.equal(other.code, 1);
    assert.match(other.stderr, /not told of open: events = close, failed \[POSTERN_E_SINK\]$/m);
    assert.equal(received.length, 3);
  });

  it('says in one line why it failed, once tried', async () => {
    status = 500;
    const { code, stdout, stderr } = await test(['webhook:ops']);
    assert.deepEqual([code, stdout, received.length], [1, '', 1]);
    assert.match(
      stderr,
      /^postern: \[webhook:ops\] could not be told of open .*500.*\[POSTERN_E_SINK\]\n$/,
    );
  });

  it('says what is wrong with a sink, its name, or the configuration', async () => {
    const cases = [
      [['webhook:osp'], [], /has no sink "webhook:osp"; did you mean webhook:ops\?/],
      [['mail'], [], /has no sink "mail"; there are: webhook:ops/],
      [['webhook:ops'], ['ca_fil = x'], /conf:4:1: error: unknown directive/],
      [['webhook:ops'], ['secret_file = /not/there'], /\[webhook:ops\].*\/not\/there/],
    ] as const;
    for (const [words, lines, said] of cases) {
      const { code, stdout, stderr } = await test(words, ...lines);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, said);
    }
    assert.equal(received.length, 0);
  });

  it('opens by a module and closes again, whatever the module leaves running', async () => {
    const module = `export default (options) => ({
      open: (grant) => void setInterval(() => {}, 1000) ?? console.log('open', JSON.stringify(grant)),
      close: (grant) => console.log('close', grant.id),
      failed: () => { throw new Error(\`no \${options.word} \u001b[2J\`); },
    });\n`;
    await writeFile(join(folder, 'gate.mjs'), module, { mode: 0o600 });
    const lines = ['[module:gate]', `path = ${folder}/gate.mjs`, 'word = way'];
    const { code, stdout, stderr } = await test(['module:gate'], ...lines);
    assert.deepEqual([code, stderr], [0, '']);
    const [open = '', didOpen = '', close, didClose = ''] = stdout.split('\n');
    assert.match(open, /"door":"test","source":"192\.0\.2\.1".*"isTest":true/);
    const [id = 'none'] = /test-[0-9a-f]{12}/.exec(open) ?? [];
    assert.match(didOpen, new RegExp(`^\\[module:gate\\] did open of the grant ${id}, \\d+ ms$`));
    assert.equal(close, `close ${id}`);
    assert.match(didClose, new RegExp(`did close of the grant ${id},`));
    const failed = await test(['module:gate', '--event', 'failed'], ...lines);
    assert.equal(failed.code, 1);
    assert.match(
      failed.stderr,
      /^postern: \[module:gate\] could not do failed of .*: no way .*\]\n$/,
    );
    assert.ok(!failed.stderr.includes('\u001b'));
  });

  it('sends one message through a mail server, at once', async () => {
    const certificates = await makeCertificates(folder);
    const mail = await new MailServer(certificates).listen();
    try {
      await writeFile(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
      const lines = [
        ...['[email:oncall]', `url = smtp://${USER}@127.0.0.1:${mail.port}`],
        `ca_file = ${certificates.caFile}`,
        ...[`password_file = ${folder}/password`, 'from = p@example.net', 'to = o@example.net'],
      ];
      const { code, stdout, stderr } = await test(['email:oncall'], ...lines);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^\[email:oncall\] was told of open of the grant test-/);
      const [{ parsed, isSecure, user, to } = assert.fail('no message')] = mail.taken;
      assert.deepEqual([isSecure, user, to], [true, USER, ['o@example.net']]);
      assert.match(`${parsed.subject} ${parsed.text}`, /test/i);
      assert.match(parsed.text ?? '', /192\.0\.2\.1/);
      await writeFile(join(folder, 'password'), 'wr0ng-one\n', { mode: 0o600 });
      const refused = await test(['email:oncall'], ...lines);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, /could not be told of open .*\[POSTERN_E_SINK\]\n$/);
      assert.ok(!refused.stderr.includes('wr0ng'), refused.stderr);
    } finally {
      await mail.close();
    }
  });

  it('ends at Ctrl-C', async () => {
    status = 'none';
    const [command = '', ...words] = await argv(['webhook:ops'], 'timeout = 30');
    const program = Program.start([command, ...words]);
    try {
      await eventually('a request', () => received.length === 1);
      const { code } = await program.end('SIGINT', 3000);
      assert.equal(code, 1);
      assert.match(program.logs, /^postern: .*interrupted \[POSTERN_E_SINK\]\n$/);
    } finally {
      await program.dispose();
    }
  });
});
