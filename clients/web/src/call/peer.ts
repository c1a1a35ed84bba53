/** The one RTCPeerConnection to the SFU. This side makes every offer, one at a time. */

import { Sections } from "./sections.ts";
import { Disconnected } from "./socket.ts";
import type { Answer, MediaId, Offer, Publication, Track, TrackSource } from "./words.ts";

const VIDEO_BITS_PER_S_MAX = 1_500_000;

interface Publishing {
  readonly source: TrackSource;
  readonly transceiver: RTCRtpTransceiver;
  muted: boolean;
  /** Known from the first answer on. */
  track: string | null;
  /** What the SFU was told last. */
  told: boolean;
}

export interface PeerEvents {
  /** Raise Refused or Disconnected. */
  exchange(offer: Offer): Promise<Answer>;
  mute(track: string, muted: boolean): Promise<unknown>;
  /** What is received of a track, from now on. */
  received(track: string, media: MediaStreamTrack): void;
  connection(state: RTCPeerConnectionState): void;
  /** An offer was refused, or an answer did not fit: this peer is of no more use. */
  broken(error: unknown): void;
}

export class Peer {
  readonly connection: RTCPeerConnection;
  private readonly events: PeerEvents;
  private readonly sections: Sections<RTCRtpTransceiver>;
  private readonly publishing: Publishing[] = [];
  private wanted: readonly Track[] = [];
  /** The offer that has no answer yet. */
  private pending: Offer | null = null;
  private negotiating = false;
  private again = false;
  private over = false;

  constructor(iceServers: RTCIceServer[], events: PeerEvents) {
    this.events = events;
    this.connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.connection.onconnectionstatechange = () => {
      if (!this.over) events.connection(this.connection.connectionState);
    };
    this.sections = new Sections(
      (kind) => this.connection.addTransceiver(kind, { direction: "recvonly" }),
      (transceiver, on) => {
        transceiver.direction = on ? "recvonly" : "inactive";
      },
    );
  }

  /** Publish a track as this source, or replace what is sent as it; null sends nothing. */
  async publish(source: TrackSource, media: MediaStreamTrack | null, muted: boolean) {
    const known = this.publishing.find((other) => other.source === source);
    if (known !== undefined) {
      known.muted = muted;
      await known.transceiver.sender.replaceTrack(media);
      await this.tell();
    } else if (media !== null) {
      const encoding = media.kind === "video" ? { maxBitrate: VIDEO_BITS_PER_S_MAX } : {};
      const transceiver = this.connection.addTransceiver(media, {
        direction: "sendonly",
        sendEncodings: [encoding],
      });
      this.publishing.push({ source, transceiver, muted, track: null, told: muted });
      this.negotiate();
    }
  }

  /** Receive exactly these. */
  receive(tracks: readonly Track[]): void {
    this.wanted = [...tracks];
    this.negotiate();
  }

  /** Make an offer now, or after the one that waits for its answer. */
  negotiate(): void {
    this.again = true;
    if (this.negotiating) return;
    this.negotiating = true;
    // Whatever is asked for in the same breath goes into one offer.
    setTimeout(() => void this.work(), 0);
  }

  close(): void {
    this.over = true;
    this.connection.close();
  }

  private async work(): Promise<void> {
    try {
      while (this.again && !this.over) {
        this.again = false;
        await this.exchange();
      }
      await this.tell();
    } catch (error) {
      // A lost connection keeps the offer: it is made again when the stay resumes.
      if (!this.over && !(error instanceof Disconnected)) this.events.broken(error);
    } finally {
      this.negotiating = false;
    }
  }

  private async exchange(): Promise<void> {
    const offer = this.pending ?? (await this.offer());
    this.pending = offer;
    const answer = await this.events.exchange(offer);
    if (this.over) return;
    await this.connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    this.pending = null;
    this.take(answer, offer);
    if (this.sections.fit(this.wanted)) this.again = true;
  }

  private async offer(): Promise<Offer> {
    this.sections.fit(this.wanted);
    if (this.connection.getTransceivers().length === 0) {
      // Neither sends nor receives yet: a section that carries nothing brings the connection up.
      this.connection.addTransceiver("audio", { direction: "recvonly" });
    }
    await this.connection.setLocalDescription();
    const publish: Record<MediaId, Publication> = {};
    for (const { transceiver, source, muted } of this.publishing) {
      if (transceiver.mid !== null) publish[transceiver.mid] = { source, muted };
    }
    const subscribe: Record<MediaId, string> = {};
    for (const { transceiver, track } of this.sections.all) {
      if (transceiver.mid !== null && track !== null) subscribe[transceiver.mid] = track;
    }
    return {
      type: "offer",
      sdp: this.connection.localDescription?.sdp ?? "",
      publish,
      subscribe,
    };
  }

  private take(answer: Answer, offer: Offer): void {
    for (const publishing of this.publishing) {
      const mid = publishing.transceiver.mid;
      publishing.track = mid === null ? null : (answer.published[mid] ?? null);
      publishing.told = offer.publish?.[mid ?? ""]?.muted ?? publishing.told;
    }
    for (const section of [...this.sections.all]) {
      const mid = section.transceiver.mid;
      if (section.track === null || mid === null) continue;
      if (answer.subscribed[mid] === section.track) {
        this.events.received(section.track, section.transceiver.receiver.track);
      } else if (!this.wanted.some((track) => track.track === section.track)) {
        this.sections.release(section.track);
      }
    }
  }

  /** Tell the SFU what is muted, where it believes something else. */
  private async tell(): Promise<void> {
    for (const publishing of this.publishing) {
      const { track, muted } = publishing;
      if (track === null || publishing.told === muted) continue;
      publishing.told = muted;
      try {
        await this.events.mute(track, muted);
      } catch (error) {
        publishing.told = !muted;
        if (!(error instanceof Disconnected)) throw error;
      }
    }
  }
}
