import assert from 'node:assert/strict';
import { isInstalled } from '../../../sinks/nftables/programs.js';
import { eventually } from '../../support/eventually.js';
import { SERVER4 } from '../../support/netns.js';
import { doorWith, grantOf, range, SSH, signal, ssh, useStage } from './stage.js';

/** It is suggested, not needed: postern says so where it is missing. */
function requireConntrack(context: Mocha.Context): void {
  if (isInstalled('conntrack')) return;
  if (process.env['CI'] === 'true') throw new Error('conntrack is not installed');
  context.skip();
}

describe('kill_established', () => {
  const stage = useStage();

  /** A connection of the client's; `answered` counts what came back. */
  async function connection() {
    const script = `exec 3<>/dev/tcp/${SERVER4}/${SSH}; echo up
      while read -r line; do echo "$line" >&3; read -r -t 1 answer <&3 && echo "got $answer"; done`;
    const child = stage.network.spawn('client', ['bash', '-c', script], { stdio: 'pipe' });
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await eventually('it is connected', () => said.includes('up'));
    return {
      async answers(word: string): Promise<boolean> {
        child.stdin?.write(`${word}\n`);
        return eventually('it is answered', () => said.includes(`got ${word}`), {
          withinMs: 1500,
        }).then(
          () => true,
          () => false,
        );
      },
    };
  }

  for (const [what, rule] of Object.entries({ 'a port': ssh, 'a range': range })) {
    it(`ends the connections to ${what} that are up`, async function () {
      requireConntrack(this);
      const door = { ...doorWith(rule), killEstablished: true };
      const sink = (await stage.start()).sink(door, 4);
      const grant = grantOf(60_000);
      await sink?.open(grant, signal);
      const up = await connection();
      assert.equal(await up.answers('one'), true);
      await sink?.close?.(grant, signal);
      assert.equal(await up.answers('two'), false);
    });
  }

  it('leaves those alone that another grant still allows', async function () {
    requireConntrack(this);
    const nftables = await stage.start();
    const sink = nftables.sink({ ...doorWith(ssh), killEstablished: true }, 4);
    const [one, two] = [grantOf(60_000), grantOf(60_000)];
    await sink?.open(one, signal);
    await nftables.sink(doorWith(ssh), 4)?.open(two, signal);
    const up = await connection();
    // One that was forgotten and found again would have another id.
    const was = await ids();
    assert.ok(was.length > 0);
    await sink?.close?.(one, signal);
    assert.equal(await up.answers('one'), true);
    const is = await ids();
    assert.ok(was.every((id) => is.includes(id)));
  });

  async function ids(): Promise<readonly string[]> {
    const list = ['conntrack', '-L', '-p', 'tcp', '--dport', `${SSH}`, '--state', 'ESTABLISHED'];
    const text = await stage.network.must('server', [...list, '-o', 'id']);
    return text.match(/id=\d+/g) ?? [];
  }

  it('without conntrack the door closes all the same, and that is said once', async () => {
    const nftables = await stage.start({ conntrack: ['/nonexistent/conntrack'] });
    const sink = nftables.sink({ ...doorWith(ssh), killEstablished: true }, 4);
    for (let i = 0; i < 2; i += 1) {
      const grant = grantOf(60_000);
      await sink?.open(grant, signal);
      await sink?.close?.(grant, signal);
    }
    assert.equal(await stage.reaches(), false);
    const told = stage.log.entries.filter(({ message }) => message.includes('conntrack'));
    assert.equal(told.length, 1);
  });
});
