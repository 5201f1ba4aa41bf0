/**
 * Which boot of the machine a grant was opened in. A reboot takes away what commands did, firewall
 * rules above all, and leaves the journal: a grant of an earlier boot is open by word alone, and
 * knocking again would only extend it. So it is closed at the start, and the next knock opens anew.
 */
import type { JournalEvent } from '../journal/events.js';

export class Boots {
  #current: string | undefined;
  readonly #openedIn = new Map<string, string | undefined>();

  /** Takes the events of one host, in order. */
  apply(event: JournalEvent): void {
    if (event.type === 'HostStarted') this.#current = event.boot;
    else if (event.type === 'Opening') this.#openedIn.set(event.grant, this.#current);
  }

  /** Whether the machine was booted since the grant was opened; no, if that is not known. */
  isOfEarlierBoot(grant: string): boolean {
    const boot = this.#openedIn.get(grant);
    return boot !== undefined && this.#current !== undefined && boot !== this.#current;
  }
}
