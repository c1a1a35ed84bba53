/** Pauses between attempts: doubling, with jitter, and an end. */
export class BackOff {
  static readonly FIRST_MS = 400;
  static readonly LONGEST_MS = 8_000;
  static readonly ATTEMPTS_MAX = 12;

  private readonly random: () => number;
  private attempts = 0;

  /** `random` gives numbers in [0, 1). */
  constructor(random: () => number) {
    this.random = random;
  }

  /** Null: it has been tried often enough. */
  next(): number | null {
    if (this.attempts >= BackOff.ATTEMPTS_MAX) return null;
    const full = Math.min(BackOff.FIRST_MS * 2 ** this.attempts, BackOff.LONGEST_MS);
    this.attempts += 1;
    return Math.round(full * (0.5 + this.random() / 2));
  }

  reset(): void {
    this.attempts = 0;
  }
}
