import assert from 'node:assert/strict';
import { calls, EmailBench, failureOf, GRANT, never } from './bench.js';
import { PASSWORD, USER } from './mail-server.js';
import { ScriptedServer } from './scripted-server.js';

const REASON_BASE64 = Buffer.from(PASSWORD).toString('base64');

describe('an e-mail that a server does not take', () => {
  let bench: EmailBench;
  before(async () => {
    bench = await EmailBench.create();
  });
  beforeEach(() => bench.fresh());
  after(() => bench.dispose());

  const idOf = (raw: string | undefined) => /^Message-ID: (.*)$/m.exec(raw ?? '')?.[1];

  it('is the same message at the next attempt', async () => {
    const sink = await bench.sink();
    bench.server.refusals = { data: '451 4.3.0 try later' };
    const failure = await failureOf(sink.open(GRANT, never));
    assert.equal(
      failure.message,
      `receiver.test:${bench.server.port} answered 451 4.3.0 to DATA: try later`,
    );
    assert.deepEqual([failure.isFinal, failure.isLasting], [false, false]);
    bench.server.refusals = {};
    await sink.open(GRANT, never);
    await (await bench.sink()).open(GRANT, never);
    const ids = bench.server.contents.map(idOf);
    assert.equal(ids.length, 3);
    assert.equal(new Set(ids).size, 1);
    assert.ok(ids[0]);
  });

  it('is another message for another event, grant, sink or one call more', async () => {
    const sink = await bench.sink();
    const many = calls(GRANT, ['open', 'open', 'open']);
    await sink.open(GRANT, never);
    await sink.close?.(GRANT, never);
    await sink.open({ ...GRANT, id: 'other' }, never);
    await (await bench.sink({ name: 'email:other' })).open(GRANT, never);
    await sink.together?.(many, never);
    await sink.together?.(many.slice(1), never);
    assert.equal(new Set(bench.server.contents.map(idOf)).size, 6);
    await sink.together?.([...many].reverse(), never);
    assert.equal(new Set(bench.server.contents.map(idOf)).size, 6);
  });

  it('is final only when the message itself is refused', async () => {
    const sink = await bench.sink();
    const outcome = async (refusals: typeof bench.server.refusals) => {
      bench.server.refusals = refusals;
      const { isFinal, isLasting } = await failureOf(sink.open(GRANT, never));
      return isFinal ? 'final' : isLasting ? 'lasting' : 'soon';
    };
    assert.equal(await outcome({ data: '554 no' }), 'final');
    assert.equal(await outcome({ data: '552 too big' }), 'final');
    assert.equal(await outcome({ data: '550 5.6.0 media' }), 'final');
    assert.equal(await outcome({ data: '552 5.3.4 too big' }), 'final');
    assert.equal(await outcome({ data: '554 5.7.1 looks like spam' }), 'lasting');
    assert.equal(await outcome({ data: '552 5.2.2 mailbox full' }), 'lasting');
    assert.equal(await outcome({ data: '550 no' }), 'lasting');
    assert.equal(await outcome({ data: '450 4.6.0 later' }), 'soon');
    assert.equal(await outcome({ mail: '554 who are you' }), 'lasting');
    assert.equal(await outcome({ mail: '451 4.3.2 busy' }), 'soon');
    assert.equal(await outcome({ rcpt: { 'ops@example.net': '550 5.1.1 no' } }), 'lasting');
    assert.equal(await outcome({ rcpt: { 'ops@example.net': '450 4.2.0 grey' } }), 'soon');
  });

  it('is final when it is larger than the server takes', async () => {
    await bench.fresh({ size: 500 });
    const failure = await failureOf((await bench.sink()).open(GRANT, never));
    assert.match(failure.message, /is larger than receiver\.test:\d+ takes/);
    assert.equal(failure.isFinal, true);
  });

  it('goes to those who have not had it, at the next attempt', async () => {
    const sink = await bench.sink({ to: ['a@example.net', 'b@example.net', 'c@example.net'] });
    bench.server.refusals = { rcpt: { 'b@example.net': '450 4.2.0 grey' } };
    const failure = await failureOf(sink.open(GRANT, never));
    assert.match(failure.message, /answered 450 4\.2\.0 to RCPT TO: grey \(of b@example\.net\)$/);
    bench.server.refusals = {
      rcpt: { 'b@example.net': '550 5.1.1 no', 'c@example.net': '550 no' },
    };
    await failureOf(sink.open(GRANT, never));
    bench.server.refusals = {};
    await sink.open(GRANT, never);
    assert.deepEqual(
      bench.server.taken.map(({ to }) => to),
      [['a@example.net', 'c@example.net'], ['b@example.net']],
    );
    const [first, second] = bench.server.taken;
    assert.equal(first?.parsed.messageId, second?.parsed.messageId);
    // Also those who had it already are named, as in any mail to many.
    assert.equal(second?.parsed.to?.length, 3);
  });

  it('names one of many that were refused', async () => {
    const sink = await bench.sink({ to: ['a@example.net', 'b@example.net'] });
    bench.server.refusals = {
      rcpt: { 'a@example.net': '550 5.1.1 no', 'b@example.net': '450 4.2.0 grey' },
    };
    const failure = await failureOf(sink.open(GRANT, never));
    assert.match(failure.message, /550 5\.1\.1 .*\(of a@example\.net, and of 1 more recipients\)$/);
    assert.equal(failure.isLasting, false);
  });

  describe('with user and password', () => {
    const auth = async (password = PASSWORD) => {
      await bench.file('password', `${password}\n`);
      return { user: USER, passwordFile: bench.at('password') };
    };

    it('is taken', async () => {
      await (await bench.sink(await auth())).open(GRANT, never);
      assert.equal(bench.server.taken[0]?.user, USER);
      assert.deepEqual(bench.server.passwords, [PASSWORD]);
    });

    it('that are wrong is tried again, not soon, and shows no password', async () => {
      const wrong = 'wrong-c0ffee';
      const failure = await failureOf((await bench.sink(await auth(wrong))).open(GRANT, never));
      assert.match(failure.message, /^receiver\.test:\d+ refused user and password \(535/);
      assert.deepEqual([failure.isFinal, failure.isLasting], [false, true]);
      assert.deepEqual(bench.server.passwords, [wrong]);
      const shown = `${failure.stack} ${JSON.stringify(bench.log.entries)}`;
      for (const secret of [wrong, Buffer.from(wrong).toString('base64')])
        assert.ok(!shown.includes(secret));
    });

    it('shows no password that a server repeats later', async () => {
      for (const secret of [PASSWORD, REASON_BASE64]) {
        bench.server.refusals = { mail: `550 5.7.1 I know ${secret} of you` };
        const failure = await failureOf((await bench.sink(await auth())).open(GRANT, never));
        assert.match(failure.message, /answered 550 5\.7\.1 to MAIL FROM$/);
      }
    });

    it('that the server does not want says so', async () => {
      await bench.fresh({ disabledCommands: ['AUTH'] });
      const failure = await failureOf((await bench.sink(await auth())).open(GRANT, never));
      assert.match(failure.message, /lets nobody authenticate: remove user and password_file/);
      assert.deepEqual(bench.server.passwords, []);
    });
  });

  describe('at a server that breaks the protocol', () => {
    let scripted: ScriptedServer | undefined;
    afterEach(() => scripted?.close());

    async function failure(script: ConstructorParameters<typeof ScriptedServer>[0]) {
      scripted = await new ScriptedServer(script).listen();
      const { tls, caFile: _, ...rest } = bench.settings({ tls: 'off', port: scripted.port });
      const sink = await bench.sink({ ...rest, tls }, { timeoutMs: 300 });
      return failureOf(sink.open(GRANT, never));
    }

    for (const step of ['greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA', 'content'] as const) {
      it(`that resets the connection at ${step}`, async () => {
        const { message, isFinal, isLasting } = await failure({ [step]: 'reset' });
        assert.match(message, /closed the connection before|\(ECONNRESET\)$/);
        assert.deepEqual([isFinal, isLasting], [false, false]);
      });

      it(`that hangs at ${step}`, async () => {
        const { message } = await failure({ [step]: 'hang' });
        assert.match(
          message,
          /^receiver\.test:\d+ did not take the message within 0\.3 s; it ended/,
        );
        await scripted?.abandoned();
      });
    }

    it('that is none', async () => {
      const { message } = await failure({ greeting: 'HTTP/1.1 400 Bad\r\n\r\n' });
      assert.match(message, /receiver\.test:\d+/);
    });

    it('that says too much', async () => {
      const { message } = await failure({ EHLO: `250-${'x'.repeat(100_000)}` });
      assert.match(message, /what receiver\.test:\d+ answered is not SMTP/);
    });

    it('that says what is no plain text', async () => {
      const { message } = await failure({
        MAIL: `550-5.1.0 a\u001b[31m\r\n550 5.1.0 ${'y'.repeat(999)}`,
      });
      assert.match(message, /answered 550 5\.1\.0 to MAIL FROM: a\\u001b\[31m y+…$/);
      assert.ok(message.length < 300);
    });

    it('that closes politely in the middle', async () => {
      const { message, isLasting } = await failure({ MAIL: '421 4.3.2 going down' });
      assert.match(message, /421 4\.3\.2/);
      assert.equal(isLasting, false);
    });
  });

  it('that nobody listens for', async () => {
    const { port } = bench.server;
    await bench.server.close();
    const failure = await failureOf((await bench.sink({ port })).open(GRANT, never));
    assert.equal(failure.message, `receiver.test:${port} refused the connection (ECONNREFUSED)`);
    await bench.fresh();
  });

  it('to a name that cannot be resolved', async () => {
    const resolve = async () => {
      throw Object.assign(new Error('x'), { code: 'ENOTFOUND' });
    };
    const failure = await failureOf((await bench.sink({}, { resolve })).open(GRANT, never));
    assert.match(failure.message, /^the name in receiver\.test:\d+ cannot be resolved/);
  });
});
