/** Number, code, signed in. */
import { type Api, ApiError } from "../api.ts";
import { type DeviceCredential, REGISTRATION_ID_MAX } from "../protocol.ts";
import { complain, element, input, onClick, onSubmit, show, toast } from "./page.ts";

/** Development servers listen on loopback alone, and only there are there test numbers. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

export class RegisterScreen {
  private readonly api: Api;
  private readonly done: (credential: DeviceCredential) => void;
  private registration = "";

  constructor(api: Api, done: (credential: DeviceCredential) => void) {
    this.api = api;
    this.done = done;
    onSubmit("number-form", "send-code", () => this.sendCode());
    onSubmit("code-form", "register", () => this.verify());
    onClick("resend-code", () => this.resend());
    onClick("change-number", () => this.show(false));
    element("development-hint", HTMLElement).hidden = !LOOPBACK.test(location.hostname);
  }

  /** `why`: what happened to the sign-in that was there. */
  open(invited: boolean, why = ""): void {
    show("register");
    element("register-invitation", HTMLElement).hidden = !invited;
    this.show(false);
    complain("number-error", why);
  }

  private show(code: boolean): void {
    element("number-form", HTMLElement).hidden = code;
    element("code-form", HTMLElement).hidden = !code;
    complain("number-error", "", input("number"));
    complain("code-error", "", input("code"));
    input("code").value = "";
    if (code) input("code").focus();
  }

  private async sendCode(): Promise<void> {
    const number = input("number").value.trim();
    if (!/^\+[0-9 ()./-]{3,}$/.test(number)) {
      const sentence = "Write the number with its country code, like +4917612345678.";
      complain("number-error", sentence, input("number"));
      return;
    }
    try {
      this.registration = (await this.api.startRegistration(number)).registration;
      element("code-number", HTMLElement).textContent = number;
      this.show(true);
    } catch (error) {
      complain("number-error", sentenceOf(error), input("number"));
    }
  }

  private async verify(): Promise<void> {
    const code = input("code").value.trim();
    if (!/^[0-9]{6}$/.test(code)) {
      complain("code-error", "The code has six digits.", input("code"));
      return;
    }
    const [random] = crypto.getRandomValues(new Uint16Array(1));
    const registrationId = (random ?? 0) & REGISTRATION_ID_MAX;
    try {
      this.done(await this.api.verify(this.registration, code, registrationId));
    } catch (error) {
      complain("code-error", sentenceOf(error), input("code"));
    }
  }

  private async resend(): Promise<void> {
    try {
      this.registration = (await this.api.resendCode(this.registration)).registration;
      complain("code-error", "", input("code"));
      toast("Another code is on its way");
    } catch (error) {
      complain("code-error", sentenceOf(error));
    }
  }
}

export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  throw error;
}
