/** Start a call, or join one by its link. */
import { type Api, ApiError } from "../api.ts";
import { type CallLink, isOurs, parseLink } from "../link.ts";
import { uuid7 } from "../uuid7.ts";
import { complain, input, onClick, onSubmit, show } from "./page.ts";

export interface StartEvents {
  chosen(link: CallLink): void;
  failed(error: ApiError): void;
}

export class StartScreen {
  private readonly api: Api;
  private readonly events: StartEvents;

  constructor(api: Api, events: StartEvents) {
    this.api = api;
    this.events = events;
    onClick("start-call", () => this.start());
    onSubmit("join-form", "join-call", () => this.join());
  }

  open(): void {
    show("start");
    complain("start-error", "");
    complain("link-error", "", input("link"));
    input("link").value = "";
  }

  private async start(): Promise<void> {
    complain("start-error", "");
    const call = uuid7(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
    try {
      const made = await this.api.newGroupCall({ call });
      this.events.chosen({ call: made.call, token: made.link_token });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      complain("start-error", error.message);
      this.events.failed(error);
    }
  }

  private async join(): Promise<void> {
    const text = input("link").value;
    const link = parseLink(text, location.origin);
    if (link === null) {
      complain("link-error", "That is not the link of a call.", input("link"));
    } else if (!isOurs(text, location.origin)) {
      complain(
        "link-error",
        "That call is on another server: open the link itself.",
        input("link"),
      );
    } else {
      complain("link-error", "", input("link"));
      this.events.chosen(link);
    }
  }
}
