/** In the call. */
import type { Change } from "../call/roster.ts";
import { type Ground, type Phase, Session } from "../call/session.ts";
import type { Source } from "../media.ts";
import type { Participant } from "../protocol.ts";
import { leaveSentence } from "../sentences.ts";
import { complain, element, onClick, relabel, show, toast } from "./page.ts";
import { Tiles } from "./tiles.ts";
import { Watch } from "./watch.ts";

const WORDS: Record<Phase, string> = {
  joining: "Joining…",
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Connection lost. Reconnecting…",
  ended: "Ended",
};

export interface CallEvents {
  /** Why, in a sentence; empty: the person left. */
  ended(why: string): void;
  copyLink(): Promise<void>;
}

export class CallScreen {
  private readonly camera: Source;
  private readonly microphone: Source;
  private readonly events: CallEvents;
  private readonly tiles = new Tiles(() => {
    element("unblock", HTMLElement).hidden = false;
  });
  private readonly watch = new Watch(this.tiles);
  private session: Session | null = null;
  private name = "";
  private muted = false;

  constructor(camera: Source, microphone: Source, events: CallEvents) {
    this.camera = camera;
    this.microphone = microphone;
    this.events = events;
    onClick("mute", () => this.toggleMicrophone());
    onClick("camera", () => this.toggleCamera());
    onClick("copy-link", () => events.copyLink());
    onClick("leave", () => this.leave());
    onClick("unblock-sound", () => {
      element("unblock", HTMLElement).hidden = true;
      this.tiles.playAll();
    });
    window.addEventListener("online", () => this.session?.retryNow());
    window.addEventListener("pagehide", () => this.session?.leave());
    camera.onlost = () => void this.lost(camera);
    microphone.onlost = () => void this.lost(microphone);
  }

  open(ground: Ground, name: string, muted: boolean): void {
    this.name = name;
    this.muted = muted || this.microphone.track === null;
    this.tiles.clear();
    element("unblock", HTMLElement).hidden = true;
    complain("call-problem", "");
    const session: Session = new Session(
      ground,
      {
        phase: (phase) => this.enter(phase),
        changed: (changes) => this.changed(changes),
        received: (track, media) => this.received(track, media),
        ended: (why) => this.ended(session, why),
      },
      name,
    );
    this.session = session;
    show("call");
    this.enter("joining");
    this.paint();
    void session.publish("microphone", this.microphone.track, this.muted);
    void session.publish("camera", this.camera.track, this.camera.track === null);
    this.watch.start(() => this.session?.peer?.connection ?? null, session.roster);
    void session.run();
  }

  private leave(): void {
    const session = this.session;
    if (session === null) return;
    session.leave();
    this.ended(session, "");
  }

  private ended(session: Session, why: string): void {
    if (this.session !== session) return;
    this.session = null;
    this.watch.stop();
    this.camera.stop();
    this.microphone.stop();
    this.tiles.clear();
    toast("");
    this.events.ended(why);
  }

  private enter(phase: Phase): void {
    element("screen-call", HTMLElement).dataset.phase = phase;
    element("call-state", HTMLElement).textContent = WORDS[phase];
  }

  private changed(changes: Change[]): void {
    for (const change of changes) this.change(change);
    this.count();
  }

  private change(change: Change): void {
    const { person } = change;
    const name = person.name || "Guest";
    switch (change.kind) {
      case "joined":
        this.tiles.add(person.participant, person.name);
        toast(`${name} joined`);
        break;
      case "left":
        this.tiles.removePerson(person.participant);
        toast(leaveSentence(name, change.reason));
        break;
      case "published":
        this.tiles.published(person, change.track);
        break;
      case "ended":
        this.tiles.ended(person, change.track);
        break;
      case "muted":
        this.tiles.muted(person, change.track);
        break;
    }
  }

  private received(id: string, media: MediaStreamTrack): void {
    const person = this.publisher(id);
    const track = person?.tracks.find((other) => other.track === id);
    if (person !== undefined && track !== undefined) this.tiles.received(person, track, media);
  }

  private publisher(id: string): Participant | undefined {
    const others = this.session?.roster.others ?? [];
    return others.find((person) => person.tracks.some((track) => track.track === id));
  }

  private count(): void {
    const others = this.session?.roster.others.length ?? 0;
    element("people-count", HTMLElement).textContent = String(others + 1);
    element("people-word", HTMLElement).textContent = others === 0 ? "person" : "people";
    element("alone", HTMLElement).hidden = others > 0;
  }

  private async toggleMicrophone(): Promise<void> {
    const { microphone } = this;
    this.muted = !this.muted;
    if (!this.muted && microphone.track === null) {
      await microphone.start();
      this.muted = microphone.track === null;
      complain("call-problem", microphone.problem);
    }
    if (microphone.track !== null) microphone.track.enabled = !this.muted;
    this.paint();
    await this.session?.publish("microphone", microphone.track, this.muted);
  }

  private async toggleCamera(): Promise<void> {
    const { camera } = this;
    if (camera.track !== null) {
      camera.stop();
    } else {
      await camera.start();
      complain("call-problem", camera.problem);
    }
    this.paint();
    await this.session?.publish("camera", camera.track, camera.track === null);
  }

  private async lost(source: Source): Promise<void> {
    if (this.session === null) return;
    if (source === this.microphone) this.muted = true;
    complain("call-problem", source.problem);
    this.paint();
    await this.session.publish(source.kind, null, true);
  }

  private paint(): void {
    const dark = this.camera.track === null;
    relabel("mute", this.muted ? "Unmute microphone" : "Mute microphone", this.muted);
    relabel("camera", dark ? "Turn camera on" : "Turn camera off", dark);
    this.tiles.showOwn(this.name, this.camera.track, this.muted);
    this.count();
  }
}
