import { isIP, isIPv6 } from 'node:net';
import { PosternError } from '../errors.js';

/** `sockaddr_un.sun_path` holds 108 bytes with its NUL. */
const SOCKET_PATH_MAX_BYTES = 107;
const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

export interface RedisEndpoint {
  /** A name or an address, an IPv6 one without brackets. */
  readonly host: string;
  readonly port: number;
}

/** What a URL of Redis says. Its password is in it: never log one. */
export type RedisAddress = {
  readonly username?: string;
  readonly password?: string;
} & (
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'server';
      readonly server: RedisEndpoint;
      readonly db: number;
      readonly tls: boolean;
    }
  | {
      readonly kind: 'sentinel';
      readonly sentinels: readonly RedisEndpoint[];
      /** The name under which the Sentinels know the primary. */
      readonly master: string;
      readonly db: number;
      /** To the Sentinels and to the servers they name. */
      readonly tls: boolean;
    }
);

const FORMS =
  'redis://[user:password@]host[:port][/database], rediss://… for TLS, unix:/path, or ' +
  'redis+sentinel://[user:password@]host[:port],host2[:port]/MASTER[/database], ' +
  'rediss+sentinel://… for TLS';

/**
 * Reads a URL of Redis. Parsed here because WHATWG URLs know one host and ioredis takes anything for
 * one. Names and passwords are percent-decoded; an IPv6 address stands in brackets; a query or a
 * fragment is refused, since nothing would heed it.
 *
 * Throws POSTERN_E_REDIS, without quoting anything of the text.
 */
export function parseRedisUrl(text: string): RedisAddress {
  const [, scheme = '', rest = ''] = /^([a-z+]+):(.*)$/is.exec(text) ?? [];
  if (/[?#\s]/.test(text))
    throw refusal('it holds a space, a ? or a #: write them as %20, %3F, %23');
  switch (scheme.toLowerCase()) {
    case 'unix':
      return socketAddress(rest);
    case 'redis':
      return serverAddress(rest, false);
    case 'rediss':
      return serverAddress(rest, true);
    case 'redis+sentinel':
      return sentinelAddress(rest, false);
    case 'rediss+sentinel':
      return sentinelAddress(rest, true);
    default:
      throw refusal();
  }
}

function socketAddress(rest: string): RedisAddress {
  // unix:/path is what redis-cli's users know, unix:///path what a URL is.
  const { credentials, hosts, path } = rest.startsWith('//')
    ? split(rest)
    : { credentials: {}, hosts: '', path: rest.slice(1) };
  if ((hosts !== '' && hosts !== 'localhost') || !rest.startsWith('/') || path === '') {
    throw refusal();
  }
  const decoded = `/${decode(path)}`;
  if (Buffer.byteLength(decoded) > SOCKET_PATH_MAX_BYTES) {
    throw refusal(`the path of a unix socket may have ${SOCKET_PATH_MAX_BYTES} bytes`);
  }
  return { kind: 'socket', path: decoded, ...credentials };
}

function serverAddress(rest: string, tls: boolean): RedisAddress {
  const { credentials, hosts, path } = split(rest);
  const server = endpoint(hosts, REDIS_PORT);
  return { kind: 'server', server, db: database(path), tls, ...credentials };
}

function sentinelAddress(rest: string, tls: boolean): RedisAddress {
  const { credentials, hosts, path } = split(rest);
  const sentinels = hosts.split(',').map((host) => endpoint(host, SENTINEL_PORT));
  // The characters that Sentinel itself allows in a name.
  const [, master, db] = /^([A-Za-z0-9._-]+)(?:\/(.*))?$/.exec(path) ?? [];
  if (master === undefined) throw refusal('it needs the name of the primary after the Sentinels');
  return { kind: 'sentinel', sentinels, master, db: database(db ?? ''), tls, ...credentials };
}

interface Parts {
  readonly credentials: { readonly username?: string; readonly password?: string };
  readonly hosts: string;
  /** Behind the first slash. */
  readonly path: string;
}

function split(rest: string): Parts {
  const [, authority, path = ''] = /^\/\/([^/]*)(?:\/(.*))?$/.exec(rest) ?? [];
  if (authority === undefined) throw refusal();
  // The last @, as in WHATWG URLs: a password may hold others.
  const at = authority.lastIndexOf('@');
  return {
    credentials: at < 0 ? {} : credentialsOf(authority.slice(0, at)),
    hosts: authority.slice(at + 1),
    path,
  };
}

function credentialsOf(text: string): Parts['credentials'] {
  const colon = text.includes(':') ? text.indexOf(':') : text.length;
  const username = decode(text.slice(0, colon));
  const password = decode(text.slice(colon + 1));
  return { ...(username !== '' && { username }), ...(password !== '' && { password }) };
}

function endpoint(text: string, defaultPort: number): RedisEndpoint {
  const [, bracketed, name, portText] =
    /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? name ?? '';
  const valid = bracketed === undefined ? isHostName(host) : isIPv6(host);
  const port = portText === undefined ? defaultPort : Number(portText);
  if (!valid || port < 1 || port > 65_535) throw refusal();
  return { host, port };
}

function isHostName(text: string): boolean {
  // What is all digits and dots must be an address: nobody has such a name.
  return (
    /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$/.test(text) && (isIP(text) !== 0 || /[^\d.]/.test(text))
  );
}

function database(text: string): number {
  if (!/^\d{0,5}$/.test(text)) throw refusal();
  return Number(text);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The error would quote the text, which may be a password.
    throw refusal('a % is not followed by two hexadecimal digits: write it as %25');
  }
}

function refusal(why?: string): PosternError {
  const what = `the URL of Redis is not understood${why === undefined ? '' : `, ${why}`}`;
  return new PosternError('POSTERN_E_REDIS', `${what}: write ${FORMS}`);
}
