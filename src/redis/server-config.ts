import { closeSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RedisFolder } from './folder.js';

/** The configuration of a private redis-server, each line with its reason (DESIGN 10). */
export function serverConfig(folder: RedisFolder): string {
  return [
    // Reachable by its owner alone, over the file system.
    'port 0',
    `unixsocket ${quote(folder.socket)}`,
    'unixsocketperm 700',
    `dir ${quote(folder.dir)}`,
    'daemonize no',
    'supervised no',
    'logfile ""',
    'loglevel notice',
    'always-show-logo no',
    // What was answered is on disk.
    'appendonly yes',
    'appendfsync always',
    'save ""',
    // The torn tail that a crash leaves was never answered, so it may go.
    'aof-load-truncated yes',
    // Rewritten early: a start reads the whole file and should stay quick.
    'auto-aof-rewrite-percentage 100',
    'auto-aof-rewrite-min-size 16mb',
    // A full memory is an error, never a lost event.
    'maxmemory-policy noeviction',
    // With the default of 10, delayed jobs ran 62 ms late; with 100, 4 ms.
    'hz 100',
    'dynamic-hz no',
    // There are no replicas to wait for.
    'shutdown-timeout 0',
    '',
  ].join('\n');
}

/**
 * The configuration as an open, already unlinked file for the server's standard input. Not argv,
 * which everyone sees, and not a pipe: were we killed before the pipe is written, redis-server
 * would take its end for an empty configuration and listen on port 6379.
 */
export function openServerConfig(folder: RedisFolder): number {
  const path = join(folder.dir, `redis.conf.${process.pid}`);
  try {
    unlinkSync(path);
  } catch {
    // Nothing was left behind by an earlier run of the same pid.
  }
  const writer = openSync(path, 'wx', 0o600);
  try {
    // All of it or an error: on a full disk half a configuration could be one for a network port.
    writeFileSync(writer, serverConfig(folder));
    return openSync(path, 'r');
  } finally {
    closeSync(writer);
    unlinkSync(path);
  }
}

/** A value as redis.conf takes it, whatever bytes the path has. */
function quote(text: string): string {
  let quoted = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    quoted += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${quoted}"`;
}
