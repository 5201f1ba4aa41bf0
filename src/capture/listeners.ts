/** Which ports something on this host listens on (M7), out of /proc/net. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const LISTEN = '0A';

/** Ports of listening TCP sockets, of either family and on any address. */
export function listeningTcp(): Set<number> {
  const ports = new Set<number>();
  for (const path of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const row of rowsWhile(path, (row) => row.state === LISTEN)) ports.add(row.port);
  }
  return ports;
}

/** Ports of UDP sockets that are bound and not connected: services, and clients for a moment. */
export function unconnectedUdp(): Set<number> {
  const ports = new Set<number>();
  for (const path of ['/proc/net/udp', '/proc/net/udp6']) {
    for (const line of readOrEmpty(path).split('\n').slice(1)) {
      const row = parseRow(line);
      if (row?.unconnected) ports.add(row.port);
    }
  }
  return ports;
}

interface Row {
  readonly port: number;
  readonly state: string;
  readonly unconnected: boolean;
}

/** `sl local:port remote:port state …`, all in hexadecimal. */
function parseRow(line: string): Row | undefined {
  const match = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+:[0-9A-F]{4}) ([0-9A-F]{2})/.exec(line);
  const [, port, remote, state] = match ?? [];
  if (port === undefined || remote === undefined || state === undefined) return undefined;
  return { port: Number.parseInt(port, 16), state, unconnected: /^0+:0000$/.test(remote) };
}

/**
 * The rows up to the first that is not wanted. Listening sockets come first in the kernel's table,
 * so that a host with a hundred thousand connections reads a page, not megabytes.
 */
function rowsWhile(path: string, wanted: (row: Row) => boolean): Row[] {
  const rows: Row[] = [];
  const chunk = Buffer.alloc(16_384);
  let rest = '';
  let header = true;
  const fd = openOrNone(path);
  if (fd === undefined) return rows;
  try {
    for (let bytes = readSync(fd, chunk); bytes > 0; bytes = readSync(fd, chunk)) {
      const lines = (rest + chunk.toString('latin1', 0, bytes)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of header ? lines.slice(1) : lines) {
        const row = parseRow(line);
        if (row === undefined || !wanted(row)) return rows;
        rows.push(row);
      }
      header = false;
    }
    return rows;
  } finally {
    closeSync(fd);
  }
}

function openOrNone(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    // The kernel has no IPv6.
    return undefined;
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The kernel has no IPv6.
    return '';
  }
}
