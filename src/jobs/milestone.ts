/** Something that happens once, and others wait for. */
export class Milestone {
  readonly reached: Promise<void>;
  #reach = () => {};

  constructor() {
    this.reached = new Promise((resolve) => {
      this.#reach = resolve;
    });
  }

  /** Repeated, it does nothing. */
  reach(): void {
    this.#reach();
  }
}
