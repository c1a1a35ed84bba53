/** Which screen comes when. */
import { Api, ApiError } from "./api.ts";
import type { Ground } from "./call/session.ts";
import { SfuSocket } from "./call/socket.ts";
import { DeviceStore } from "./device.ts";
import { type CallLink, formatLink, parseLink } from "./link.ts";
import { Source } from "./media.ts";
import type { DeviceCredential } from "./protocol.ts";
import { CallScreen } from "./screens/call.ts";
import { LobbyScreen } from "./screens/lobby.ts";
import { copyText, element, onClick, show, toast } from "./screens/page.ts";
import { RegisterScreen } from "./screens/register.ts";
import { StartScreen } from "./screens/start.ts";

class App {
  private readonly store = new DeviceStore(localStorage);
  private readonly api = new Api((path, init) => fetch(path, init), Date.now);
  private readonly camera = new Source("camera");
  private readonly microphone = new Source("microphone");
  private readonly register = new RegisterScreen(this.api, (credential) => {
    this.store.save(credential);
    this.signIn(credential);
  });
  private readonly start = new StartScreen(this.api, {
    chosen: (link) => this.enterLobby(link),
    failed: (error) => this.notSignedIn(error),
  });
  private readonly lobby = new LobbyScreen(this.camera, this.microphone, {
    join: (name) => this.join(name),
    copyLink: () => this.copyLink(),
  });
  private readonly call = new CallScreen(this.camera, this.microphone, {
    ended: (why) => this.ended(why),
    copyLink: () => this.copyLink(),
  });
  private link: CallLink | null = null;
  private identity: DeviceCredential | null = null;

  run(): void {
    onClick("sign-out", () => this.signOut());
    onClick("rejoin", () => {
      if (this.link !== null) this.enterLobby(this.link);
    });
    onClick("home", () => this.goHome());
    window.addEventListener("popstate", () => location.reload());
    this.link = parseLink(location.href, location.origin);
    const stored = this.store.load();
    if (stored === null) this.register.open(this.link !== null);
    else this.signIn(stored);
  }

  private signIn(identity: DeviceCredential): void {
    this.setIdentity(identity);
    if (this.link === null) this.start.open();
    else this.enterLobby(this.link);
  }

  private signOut(why = ""): void {
    this.store.forget();
    this.setIdentity(null);
    this.lobby.close();
    this.register.open(this.link !== null, why);
  }

  private setIdentity(identity: DeviceCredential | null): void {
    this.identity = identity;
    this.api.use(identity);
    element("identity", HTMLElement).hidden = identity === null;
    element("identity-number", HTMLElement).textContent = identity?.number ?? "";
  }

  private notSignedIn(error: ApiError): boolean {
    if (!error.is("credential-refused")) return false;
    this.signOut(error.message);
    return true;
  }

  private enterLobby(link: CallLink): void {
    this.link = link;
    const address = formatLink("", link);
    if (location.pathname + location.hash !== address) history.pushState(null, "", address);
    void this.lobby.open(this.store.name || "");
  }

  private async join(name: string): Promise<void> {
    const link = this.link;
    if (link === null) return;
    this.store.name = name;
    try {
      // Asked here, so that a wrong link or a lost sign-in is said before the call opens.
      const first = this.api.ticket(link.call, link.token);
      await first;
      this.call.open(this.ground(link, first), name, this.lobby.muted);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!this.notSignedIn(error)) this.lobby.refuse(error.message);
    }
  }

  private ground(link: CallLink, first: ReturnType<Api["ticket"]>): Ground {
    let ticket: typeof first | null = first;
    return {
      ticket: () => {
        const next = ticket ?? this.api.ticket(link.call, link.token);
        ticket = null;
        return next;
      },
      iceServers: () => this.iceServers(link.call),
      open: (path) => SfuSocket.open(path, location),
      random: Math.random,
    };
  }

  private async iceServers(call: string): Promise<RTCIceServer[]> {
    try {
      const { uris, username, password } = await this.api.relayCredentials(call);
      return uris.length === 0 ? [] : [{ urls: uris, username, credential: password }];
    } catch {
      // Without a relay most networks still work.
      return [];
    }
  }

  private async copyLink(): Promise<void> {
    if (this.link === null) return;
    const copied = await copyText(formatLink(location.origin, this.link));
    toast(copied ? "Link copied" : "Copy the link from the address bar");
  }

  private ended(why: string): void {
    show("ended");
    element("ended-title", HTMLElement).textContent =
      why === "" ? "You left the call" : "The call has ended";
    element("ended-reason", HTMLElement).textContent = why;
  }

  private goHome(): void {
    this.link = null;
    history.pushState(null, "", "/");
    if (this.identity === null) this.register.open(false);
    else this.start.open();
  }
}

new App().run();
