/** Before the call: how one looks, which camera and microphone, under which name. */
import { choices, type Kind, type Source } from "../media.ts";
import { button, complain, element, input, onClick, onSubmit, relabel, show } from "./page.ts";

export interface LobbyEvents {
  join(name: string): Promise<void>;
  copyLink(): Promise<void>;
}

export class LobbyScreen {
  private readonly camera: Source;
  private readonly microphone: Source;
  /** What the person wants, whether or not there is a device for it. */
  muted = false;
  private opened = 0;

  constructor(camera: Source, microphone: Source, events: LobbyEvents) {
    this.camera = camera;
    this.microphone = microphone;
    onSubmit("lobby-form", "join", () => events.join(input("name").value.trim()));
    onClick("lobby-copy-link", () => events.copyLink());
    onClick("preview-mute", () => this.toggleMicrophone());
    onClick("preview-camera", () => this.toggleCamera());
    for (const source of [camera, microphone]) {
      const select = element(`${source.kind}-choice`, HTMLSelectElement);
      select.addEventListener("change", () => void this.restart(source, select.value));
    }
  }

  async open(name: string): Promise<void> {
    show("lobby");
    complain("lobby-error", "");
    input("name").value = name;
    this.muted = false;
    this.opened += 1;
    const visit = this.opened;
    this.paint();
    // One question after the other: browsers show one prompt at a time.
    await this.microphone.start();
    await this.camera.start();
    if (visit !== this.opened) return;
    await this.fillChoices();
    this.paint();
  }

  /** Going elsewhere than into the call: the devices are let go. */
  close(): void {
    this.opened += 1;
    this.camera.stop();
    this.microphone.stop();
    element("preview", HTMLVideoElement).srcObject = null;
  }

  refuse(sentence: string): void {
    complain("lobby-error", sentence);
  }

  private async restart(source: Source, deviceId: string): Promise<void> {
    await source.start(deviceId);
    if (source === this.microphone) this.muted = false;
    this.paint();
  }

  private async toggleMicrophone(): Promise<void> {
    this.muted = !this.muted;
    if (!this.muted && this.microphone.track === null) await this.microphone.start();
    this.paint();
  }

  private async toggleCamera(): Promise<void> {
    if (this.camera.track === null) await this.camera.start();
    else this.camera.stop();
    this.paint();
  }

  private async fillChoices(): Promise<void> {
    for (const source of [this.camera, this.microphone]) await fill(source);
  }

  private paint(): void {
    const { camera, microphone } = this;
    if (microphone.track !== null) microphone.track.enabled = !this.muted;
    const video = element("preview", HTMLVideoElement);
    const shown = video.srcObject instanceof MediaStream ? video.srcObject.getTracks()[0] : null;
    if (shown !== camera.track) {
      video.srcObject = camera.track === null ? null : new MediaStream([camera.track]);
    }
    element("preview-off", HTMLElement).hidden = camera.track !== null;
    const silent = this.muted || microphone.track === null;
    relabel("preview-mute", silent ? "Unmute microphone" : "Mute microphone", silent);
    const dark = camera.track === null;
    relabel("preview-camera", dark ? "Turn camera on" : "Turn camera off", dark);
    complain("media-problem", [microphone.problem, camera.problem].filter(Boolean).join(" "));
    button("join").textContent = dark && silent ? "Join to watch and listen" : "Join the call";
  }
}

async function fill(source: Source): Promise<void> {
  const found = await choices(source.kind);
  const select = element(`${source.kind}-choice`, HTMLSelectElement);
  select.replaceChildren(...found.map(({ id, label }) => new Option(label, id)));
  if (source.deviceId !== "") select.value = source.deviceId;
  fieldOf(source.kind).hidden = found.length === 0;
}

function fieldOf(kind: Kind): HTMLElement {
  return element(`${kind}-field`, HTMLElement);
}
