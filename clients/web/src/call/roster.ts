/** Who is in the call and what they publish, as the SFU tells it. */
import type { AnySfuServerFrame, LeaveReason, Participant, Track } from "../protocol.ts";

export type Change =
  | { kind: "joined"; person: Participant }
  | { kind: "left"; person: Participant; reason: LeaveReason }
  | { kind: "published"; person: Participant; track: Track }
  | { kind: "ended"; person: Participant; track: Track }
  | { kind: "muted"; person: Participant; track: Track };

export class Roster {
  /** One's own participant id. */
  me = "";
  private people = new Map<string, Participant>();

  /** The others. */
  get others(): Participant[] {
    return [...this.people.values()];
  }

  /** Everything that others publish. */
  get tracks(): Track[] {
    return this.others.flatMap((person) => person.tracks);
  }

  /** Takes the whole state; tells how it differs from what was known. */
  replace(me: string, participants: readonly Participant[]): Change[] {
    this.me = me;
    const now = new Map<string, Participant>();
    for (const person of participants) {
      if (person.participant !== me) now.set(person.participant, { ...person, tracks: [] });
    }
    const before = this.people;
    const changes: Change[] = [];
    for (const person of before.values()) {
      if (!now.has(person.participant)) changes.push(...this.gone(person, "left"));
    }
    this.people = now;
    for (const person of participants) {
      if (person.participant === me) continue;
      changes.push(...this.merged(person, before.get(person.participant)));
    }
    return changes;
  }

  apply(frame: AnySfuServerFrame): Change[] {
    switch (frame.type) {
      case "participant-joined":
        return this.arrived(frame.participant);
      case "participant-left": {
        const person = this.people.get(frame.participant);
        if (person === undefined) return [];
        this.people.delete(frame.participant);
        return this.gone(person, frame.reason);
      }
      case "track-published":
        return this.published(frame.participant, frame.track);
      case "track-ended":
        return this.ended(frame.participant, frame.track);
      case "track-muted":
        return this.muted(frame.participant, frame.track, frame.muted);
      default:
        return [];
    }
  }

  private arrived(person: Participant): Change[] {
    if (person.participant === this.me) return [];
    const before = this.people.get(person.participant);
    this.people.set(person.participant, { ...person, tracks: [] });
    return this.merged(person, before);
  }

  private merged(person: Participant, before: Participant | undefined): Change[] {
    const entry = this.people.get(person.participant);
    if (entry === undefined) return [];
    const changes: Change[] = before === undefined ? [{ kind: "joined", person: entry }] : [];
    for (const old of before?.tracks ?? []) {
      if (!person.tracks.some((track) => track.track === old.track)) {
        changes.push({ kind: "ended", person: entry, track: old });
      }
    }
    for (const track of person.tracks) {
      const old = before?.tracks.find((other) => other.track === track.track);
      entry.tracks.push({ ...track });
      if (old === undefined) changes.push({ kind: "published", person: entry, track });
      else if (old.muted !== track.muted) changes.push({ kind: "muted", person: entry, track });
    }
    return changes;
  }

  private gone(person: Participant, reason: LeaveReason): Change[] {
    const ended = person.tracks.map((track): Change => ({ kind: "ended", person, track }));
    return [...ended, { kind: "left", person, reason }];
  }

  private published(participant: string, track: Track): Change[] {
    const person = this.people.get(participant);
    if (person === undefined || person.tracks.some((other) => other.track === track.track)) {
      return [];
    }
    person.tracks.push({ ...track });
    return [{ kind: "published", person, track }];
  }

  private ended(participant: string, id: string): Change[] {
    const person = this.people.get(participant);
    const index = person?.tracks.findIndex((track) => track.track === id) ?? -1;
    const [track] = index < 0 ? [] : (person?.tracks.splice(index, 1) ?? []);
    return person === undefined || track === undefined ? [] : [{ kind: "ended", person, track }];
  }

  private muted(participant: string, id: string, muted: boolean): Change[] {
    const person = this.people.get(participant);
    const track = person?.tracks.find((other) => other.track === id);
    if (person === undefined || track === undefined || track.muted === muted) return [];
    track.muted = muted;
    return [{ kind: "muted", person, track }];
  }
}
