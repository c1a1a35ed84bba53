/** This side's camera and microphone. */
import { INSECURE, mediaSentence } from "./sentences.ts";

export type Kind = "camera" | "microphone";

const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
const AUDIO = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

export interface Choice {
  id: string;
  label: string;
}

/** One camera or microphone: on or off, and which. */
export class Source {
  readonly kind: Kind;
  /** Null: off, or never there. */
  track: MediaStreamTrack | null = null;
  /** Why it is not there, in a sentence. */
  problem = "";
  private chosen = "";
  /** Called when the device is pulled out, or another program takes it. */
  onlost: () => void = () => {};

  constructor(kind: Kind) {
    this.kind = kind;
  }

  get deviceId(): string {
    return this.track?.getSettings().deviceId ?? this.chosen;
  }

  /** Raises nothing: `problem` says why there is no track. */
  async start(deviceId = this.chosen): Promise<void> {
    this.stop();
    this.chosen = deviceId;
    const exact = deviceId === "" ? {} : { deviceId: { exact: deviceId } };
    const wanted: MediaStreamConstraints =
      this.kind === "camera"
        ? { video: { ...VIDEO, ...exact } }
        : { audio: { ...AUDIO, ...exact } };
    try {
      if (!window.isSecureContext) throw new DOMException("", INSECURE);
      const stream = await navigator.mediaDevices.getUserMedia(wanted);
      this.track = stream.getTracks()[0] ?? null;
      this.problem = "";
      if (this.track !== null) this.track.onended = () => this.lost();
    } catch (error) {
      this.problem = mediaSentence(this.kind, error);
    }
  }

  /** The light of the camera goes out. */
  stop(): void {
    if (this.track !== null) this.track.onended = null;
    this.track?.stop();
    this.track = null;
  }

  private lost(): void {
    this.track = null;
    this.problem = mediaSentence(this.kind, new DOMException("", "NotFoundError"));
    this.onlost();
  }
}

/** What could be chosen. Browsers give no names before the person has allowed one. */
export async function choices(kind: Kind): Promise<Choice[]> {
  const wanted = kind === "camera" ? "videoinput" : "audioinput";
  let found: MediaDeviceInfo[] = [];
  try {
    found = (await navigator.mediaDevices.enumerateDevices()).filter((d) => d.kind === wanted);
  } catch {
    // None can be chosen, then.
  }
  return found
    .filter(({ deviceId }) => deviceId !== "")
    .map(({ deviceId, label }, i) => ({ id: deviceId, label: label || `${kind} ${i + 1}` }));
}
