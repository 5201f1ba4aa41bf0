/** Milliseconds since the epoch, with microseconds: comparable between the processes of one host. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
