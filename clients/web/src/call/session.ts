/** One's stay in a call: joins, comes back by itself when the connection breaks, and ends.
 *
 * A broken WebSocket resumes the same stay: media goes on meanwhile. A refused resume, or a broken
 * media connection, joins anew with another ticket.
 */
import { ApiError } from "../api.ts";
import {
  type Answer,
  type AnySfuServerFrame,
  CloseCode,
  FINAL_CLOSE_CODES,
  type Joined,
  type JoinTicket,
  type TrackSource,
} from "../protocol.ts";
import { closeSentence } from "../sentences.ts";
import { BackOff } from "./back_off.ts";
import { Peer } from "./peer.ts";
import { type Change, Roster } from "./roster.ts";
import { Disconnected, Refused, type SfuSocket } from "./socket.ts";

/** Media that does not come up within this time is joined anew, */
const MEDIA_UP_MS = 15_000;
/** and media that was lost and does not come back within this. */
const MEDIA_BACK_MS = 5_000;
/** A connection that held this long starts the pauses afresh. */
const STEADY_MS = 10_000;
/** After so many attempts to resume one joins anew. */
const RESUMES_MAX = 3;

export type Phase = "joining" | "connecting" | "connected" | "reconnecting" | "ended";

/** What the session stands on. */
export interface Ground {
  /** Raise ApiError. */
  ticket(): Promise<JoinTicket>;
  /** Raises nothing: empty when there is no relay. */
  iceServers(): Promise<RTCIceServer[]>;
  open(path: string): Promise<SfuSocket>;
  random(): number;
}

export interface SessionEvents {
  phase(phase: Phase): void;
  changed(changes: Change[]): void;
  received(track: string, media: MediaStreamTrack): void;
  /** For good: why, in a sentence; empty when the person left by herself. */
  ended(why: string): void;
}

interface Publication {
  media: MediaStreamTrack | null;
  muted: boolean;
}

interface Stay {
  readonly path: string;
  readonly secret: string;
  /** Attempts to take it up again that came to nothing. */
  failures: number;
}

export class Session {
  readonly roster = new Roster();
  peer: Peer | null = null;
  private readonly ground: Ground;
  private readonly events: SessionEvents;
  private readonly name: string;
  private readonly published = new Map<TrackSource, Publication>();
  private readonly backOff: BackOff;
  private socket: SfuSocket | null = null;
  private stay: Stay | null = null;
  private left = false;
  private phaseNow: Phase = "joining";
  private mediaTimer: ReturnType<typeof setTimeout> | undefined;
  private hurry: () => void = () => {};

  constructor(ground: Ground, events: SessionEvents, name: string) {
    this.ground = ground;
    this.events = events;
    this.name = name;
    this.backOff = new BackOff(ground.random);
  }

  /** Raises nothing; ends with the `ended` event. */
  async run(): Promise<void> {
    let why: string | null = null;
    while (why === null && !this.left) {
      why = await this.attempt();
      if (why !== null || this.left) break;
      this.enter("reconnecting");
      const pause = this.backOff.next();
      if (pause === null) why = closeSentence(0);
      else await this.wait(pause);
    }
    this.forget();
    this.enter("ended");
    this.events.ended(this.left ? "" : (why ?? ""));
  }

  leave(): void {
    this.left = true;
    this.peer?.close();
    if (this.socket === null) this.hurry();
    else this.socket.leave();
  }

  /** Try at once what waits for its pause: the network is back. */
  retryNow(): void {
    this.hurry();
  }

  /** Send this as `source` from now on; null: nothing (and `muted` should be true). */
  async publish(source: TrackSource, media: MediaStreamTrack | null, muted: boolean) {
    this.published.set(source, { media, muted });
    await this.peer?.publish(source, media, muted);
  }

  /** One connection, until it ends: null to come back, or why that cannot help. */
  private async attempt(): Promise<string | null> {
    const stay = this.stay;
    try {
      return this.judge(await this.connect());
    } catch (error) {
      // A node that is gone refuses nothing: its stays are given up after a few attempts.
      if (stay !== null && this.stay === stay && ++stay.failures >= RESUMES_MAX) this.forget();
      if (error instanceof ApiError) return error.passing ? null : error.message;
      if (error instanceof Refused) return this.refused(error, stay !== null);
      if (this.socket === null) return null;
      this.socket.close();
      return this.judge(await this.socket.closed);
    } finally {
      this.socket?.close();
      this.socket = null;
    }
  }

  /** What the code of a closed connection means. */
  private judge(code: number): string | null {
    const again: number[] = [1000, CloseCode.TICKET_REFUSED, CloseCode.MEDIA_LOST];
    if (again.includes(code)) this.forget();
    return FINAL_CLOSE_CODES.includes(code) ? closeSentence(code) : null;
  }

  private refused({ problem, message }: Refused, resuming: boolean): string | null {
    const passing = problem.status >= 500 || problem.status === 429;
    if (!resuming && !passing) return message;
    this.forget();
    return null;
  }

  /** The close code. Raise ApiError, Refused or Disconnected. */
  private async connect(): Promise<number> {
    const stay = this.stay;
    if (stay === null) return this.hold(...(await this.join()));
    this.socket = await this.open(stay.path);
    const question = { type: "resume", secret: stay.secret } as const;
    // A secret works once: whatever comes now, this one is used.
    return this.hold(stay.path, joined(await this.socket.request(question)));
  }

  private async join(): Promise<[string, Joined]> {
    const [ticket, iceServers] = await Promise.all([
      this.ground.ticket(),
      this.ground.iceServers(),
    ]);
    this.socket = await this.open(ticket.path);
    const question = { type: "join", ticket: ticket.ticket, name: this.name } as const;
    const answer = joined(await this.socket.request(question));
    this.peer?.close();
    this.peer = this.newPeer(iceServers);
    return [ticket.path, answer];
  }

  private async open(path: string): Promise<SfuSocket> {
    if (this.left) throw new Disconnected("left");
    const socket = await this.ground.open(path);
    if (!this.left) return socket;
    socket.close();
    throw new Disconnected("left");
  }

  private async hold(path: string, state: Joined): Promise<number> {
    const socket = this.socket;
    if (socket === null) return 1006;
    this.stay = { path, secret: state.resume_secret, failures: 0 };
    socket.onevent = (frame) => this.receive(frame);
    socket.keepAlive(state.heartbeat_s);
    this.tell(this.roster.replace(state.participant, state.participants));
    await this.start(state.resumed);
    const steady = setTimeout(() => this.backOff.reset(), STEADY_MS);
    const code = await socket.closed;
    clearTimeout(steady);
    return code;
  }

  private async start(resumed: boolean): Promise<void> {
    const peer = this.peer;
    if (peer === null) return;
    const up = peer.connection.connectionState === "connected";
    this.enter(resumed && up ? "connected" : "connecting");
    if (!up) this.watchMedia(MEDIA_UP_MS);
    for (const [source, { media, muted }] of this.published) {
      await peer.publish(source, media, muted);
    }
    peer.receive(this.roster.tracks);
  }

  private newPeer(iceServers: RTCIceServer[]): Peer {
    const current = (): SfuSocket => {
      if (this.socket === null) throw new Disconnected("no connection");
      return this.socket;
    };
    const peer: Peer = new Peer(iceServers, {
      exchange: async (offer) => (await current().request(offer)) as Answer,
      mute: async (track, muted) => current().request({ type: "mute", track, muted }),
      received: (track, media) => this.events.received(track, media),
      connection: (state) => this.mediaState(peer, state),
      broken: () => this.mediaLost(peer),
    });
    return peer;
  }

  private receive(frame: AnySfuServerFrame): void {
    const changes = this.roster.apply(frame);
    if (changes.length === 0) return;
    this.tell(changes);
    if (changes.some(({ kind }) => kind === "published" || kind === "ended")) {
      this.peer?.receive(this.roster.tracks);
    }
  }

  private tell(changes: Change[]): void {
    if (changes.length > 0) this.events.changed(changes);
  }

  private mediaState(peer: Peer, state: RTCPeerConnectionState): void {
    if (peer !== this.peer || this.left) return;
    if (state === "connected") {
      clearTimeout(this.mediaTimer);
      if (this.socket !== null) this.enter("connected");
    } else if (state === "failed") {
      this.mediaLost(peer);
    } else if (state === "disconnected") {
      this.enter("reconnecting");
      this.watchMedia(MEDIA_BACK_MS);
    }
  }

  private watchMedia(ms: number): void {
    clearTimeout(this.mediaTimer);
    const peer = this.peer;
    this.mediaTimer = setTimeout(() => {
      if (peer !== null && peer.connection.connectionState !== "connected") this.mediaLost(peer);
    }, ms);
  }

  /** Join anew: closing the socket makes the loop go on. */
  private mediaLost(peer: Peer): void {
    if (peer !== this.peer) return;
    this.forget();
    this.socket?.close();
  }

  private forget(): void {
    clearTimeout(this.mediaTimer);
    this.stay = null;
    this.peer?.close();
    this.peer = null;
  }

  private enter(phase: Phase): void {
    if (phase === this.phaseNow) return;
    this.phaseNow = phase;
    this.events.phase(phase);
  }

  private async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.hurry = () => {};
  }
}

function joined(frame: AnySfuServerFrame): Joined {
  if (frame.type !== "joined") throw new Disconnected(`unexpected ${frame.type}`);
  return frame;
}
