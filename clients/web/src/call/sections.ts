/** Which media section receives which track.
 *
 * A section whose track ended is used again for the next track of its kind, so that a long call with
 * many comings and goings does not grow without end (GROUP_CALL_MEDIA_SECTIONS_MAX).
 */
import type { Track, TrackKind } from "../protocol.ts";
import { GROUP_CALL_MEDIA_SECTIONS_MAX } from "../protocol.ts";

/** Both for publishing, and as many again for what this side may publish later. */
const KEPT_FOR_SENDING = 4;
export const RECEIVING_MAX = GROUP_CALL_MEDIA_SECTIONS_MAX - KEPT_FOR_SENDING;

export interface Section<T> {
  readonly kind: TrackKind;
  readonly transceiver: T;
  /** The id of the track it is for; null: idle. */
  track: string | null;
}

export class Sections<T> {
  readonly all: Section<T>[] = [];
  private readonly add: (kind: TrackKind) => T;
  private readonly turn: (transceiver: T, on: boolean) => void;

  constructor(add: (kind: TrackKind) => T, turn: (transceiver: T, on: boolean) => void) {
    this.add = add;
    this.turn = turn;
  }

  /** Make the sections fit what is to be received: whether an offer is needed now. */
  fit(wanted: readonly Pick<Track, "track" | "kind">[]): boolean {
    const ids = new Set(wanted.map(({ track }) => track));
    let changed = false;
    for (const section of this.all) {
      if (section.track === null || ids.has(section.track)) continue;
      section.track = null;
      this.turn(section.transceiver, false);
      changed = true;
    }
    for (const { track, kind } of wanted) {
      if (this.all.some((section) => section.track === track)) continue;
      changed = this.assign(track, kind) || changed;
    }
    return changed;
  }

  /** What the SFU did not forward after all, is idle. */
  release(track: string): void {
    const section = this.all.find((other) => other.track === track);
    if (section === undefined) return;
    section.track = null;
    this.turn(section.transceiver, false);
  }

  private assign(track: string, kind: TrackKind): boolean {
    const idle = this.all.find((section) => section.track === null && section.kind === kind);
    if (idle !== undefined) {
      idle.track = track;
      this.turn(idle.transceiver, true);
      return true;
    }
    if (this.all.length >= RECEIVING_MAX) return false;
    this.all.push({ kind, transceiver: this.add(kind), track });
    return true;
  }
}
