import assert from 'node:assert/strict';
import fc from 'fast-check';
import { commandsFor, expandCommand, isShared } from '../../config/commands.js';
import { doorOf } from './support/parsed.js';

const door = (...lines: readonly string[]) => doorOf('[d]', 'sequence = 1,3,2', ...lines);

describe('commandsFor', () => {
  it('falls back to the IPv4 command where there is none for IPv6', () => {
    const both = door('command = a', 'stop_command = b');
    assert.deepEqual(commandsFor(both, 6), { start: 'a', stop: 'b' });
    const own = door('command = a', 'command_6 = c', 'stop_command = b');
    assert.deepEqual(commandsFor(own, 6), { start: 'c', stop: 'b' });
    assert.deepEqual(commandsFor(own, 4), { start: 'a', stop: 'b' });
  });

  it('runs nothing at all for IPv6 where its start command is empty', () => {
    const shut = door('command = a', 'command_6 =', 'stop_command = b');
    assert.deepEqual(commandsFor(shut, 6), {});
    assert.deepEqual(commandsFor(shut, 4), { start: 'a', stop: 'b' });
  });

  it('stops nothing for IPv6 where only its stop command is empty', () => {
    const open = door('command = a', 'stop_command = b', 'stop_command_6 =');
    assert.deepEqual(commandsFor(open, 6), { start: 'a' });
  });

  it('runs no stop command without a start command', () => {
    assert.deepEqual(commandsFor(door('stop_command = b'), 4), {});
  });
});

describe('expandCommand', () => {
  it('puts the source in for every %IP%, also where it is glued to other text', () => {
    assert.equal(
      expandCommand(`x %IP%/32 '%IP%' %IP%%IP% %ip% 100%`, '::1'),
      `x ::1/32 '::1' ::1::1 %ip% 100%`,
    );
  });

  it('changes nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (parts) => {
        fc.pre(parts.every((part) => !part.includes('%')));
        assert.equal(expandCommand(parts.join('%IP%'), '192.0.2.1'), parts.join('192.0.2.1'));
      }),
    );
  });
});

describe('isShared (G9)', () => {
  it('is a door with a stop command that never names the source', () => {
    assert.equal(isShared(door('command = a', 'stop_command = b')), true);
    assert.equal(isShared(door('command = a')), false);
    assert.equal(isShared(door('command = a %IP%', 'stop_command = b')), false);
    assert.equal(isShared(door('command = a', 'stop_command = b %IP%')), false);
    assert.equal(isShared(door('stop_command = b')), false);
  });

  it('is judged by the commands of one family where that is asked for', () => {
    const mixed = door('command = a', 'stop_command = b', 'command_6 = c %IP%');
    assert.equal(isShared(mixed, 4), true);
    assert.equal(isShared(mixed, 6), false);
    assert.equal(isShared(mixed), false);
    const shut6 = door('command = a', 'stop_command = b', 'command_6 =');
    assert.equal(isShared(shut6), true);
    assert.equal(isShared(shut6, 6), false);
  });
});
