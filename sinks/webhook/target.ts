/** Where a webhook goes, and how its name is resolved. */
import type { LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { PosternError } from '../../src/errors.js';
import type { Resolve } from '../resolve.js';
import { whyNotPublic } from './public-address.js';

/** The parts of a URL. User info, path and query are secrets: only `origin` may be shown. */
export interface Target {
  /** `https://hooks.example.net:8443` */
  readonly origin: string;
  readonly isTls: boolean;
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string;
  readonly port: number;
  /** Path and query. */
  readonly path: string;
  /** `user:password` */
  readonly auth?: string;
}

/**
 * The WHATWG form of the URL, so that `http://2130706433/` and `http://0x7f.1/` are what they mean:
 * 127.0.0.1.
 * @throws PosternError POSTERN_E_SINK, which does not quote the URL
 */
export function targetOf(text: string, of: string): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new PosternError('POSTERN_E_SINK', `${of}: url is no http or https URL`);
  const isTls = url.protocol === 'https:';
  const auth = authOf(url, of);
  return {
    origin: url.origin,
    isTls,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || (isTls ? 443 : 80)),
    path: url.pathname + url.search,
    ...(auth !== undefined && { auth }),
  };
}

function authOf({ username, password }: URL, of: string): string | undefined {
  if (username === '' && password === '') return undefined;
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    const why = 'a % in the user or password of url must be written %25';
    throw new PosternError('POSTERN_E_SINK', `${of}: ${why}`);
  }
}

/** An address that is not connected to because `private_targets = no`. */
export class PrivateTarget extends Error {}

/** @throws PrivateTarget when the host of the URL is itself an address that is not public */
export function requirePublicHost({ hostname }: Target): void {
  // Node asks no lookup about an address.
  if (isIP(hostname) !== 0) requirePublic(hostname, [hostname]);
}

function requirePublic(hostname: string, addresses: readonly string[]): void {
  for (const address of addresses) {
    const why = whyNotPublic(address);
    if (why === undefined) continue;
    const name = address === hostname ? address : `${hostname} has the address ${address}, which`;
    throw new PrivateTarget(
      `${name} is not public (${why}), and private_targets = no: nothing was sent`,
    );
  }
}

/**
 * Resolves for one connection. What was checked here is what is connected to: no second answer of
 * the name server can put another address in its place (rebinding). One address that is not public
 * spoils them all.
 */
export function connectLookup(resolve: Resolve, privateTargets: boolean): LookupFunction {
  return (hostname, options, callback) => {
    const give = (addresses: readonly LookupAddress[]): void => {
      const [first] = addresses;
      if (first === undefined) throw Object.assign(new Error('no address'), { code: 'ENOTFOUND' });
      if (!privateTargets)
        requirePublic(
          hostname,
          addresses.map(({ address }) => address),
        );
      if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    };
    resolve(hostname)
      .then(give)
      .catch((error: unknown) => {
        callback(error instanceof Error ? error : new Error(String(error)), []);
      });
  };
}
