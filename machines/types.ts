/**
 * Terminology (the same words in code, logs and docs)
 *
 * packet     the header fields of one captured TCP or UDP packet
 * knock      one hit of a sequence: port + protocol
 * door       one section of the configuration: a sequence, its conditions, what happens
 * source     the IP address that knocks
 * attempt    one source's progress through one door's sequence
 * knocker    the XState machine of one source: all its attempts
 * grant      what a completed sequence gives: door + source + host, from opening to closed
 * journal    the append-only event log (a Redis Stream); the truth about grants, claims, hosts
 * claim      the atomic act that uses up a one-time sequence
 * sink       what acts on a grant: exec, and later nftables, webhook, email, a user's module
 * sensor     the child process that captures on one interface
 * host       one running postern, by its name
 */

export type Protocol = 'tcp' | 'udp';

export interface Knock {
  readonly port: number;
  readonly protocol: Protocol;
}

/** The header fields of one captured TCP or UDP packet. */
export interface Packet {
  /** Monotonic milliseconds by the sensor's clock (in a replay: the capture file's time). */
  readonly atMs: number;
  /** Canonical address text: dotted quad, or RFC 5952 (v4-mapped addresses as dotted quads). */
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  readonly sourcePort: number;
  /** Destination port: the one that is knocked on. */
  readonly port: number;
  /** TCP flag bits (`TCP_FLAG` in config/types.ts); 0 for UDP. */
  readonly flags: number;
  /** TCP sequence number, to tell a retransmission (M5); 0 for UDP. */
  readonly sequence: number;
  /** Index of the interface it came in on, in the order of the sensors. */
  readonly interfaceIndex: number;
}
