/** The page as such: finding elements, changing screens, saying things. */

type Constructor<T> = new () => T;

/** The element that index.html has under this id. Raise Error: the two files do not fit. */
export function element<T extends HTMLElement>(id: string, kind: Constructor<T>): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`no ${kind.name} #${id}`);
  return found;
}

export const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
export const input = (id: string): HTMLInputElement => element(id, HTMLInputElement);

export type Screen = "register" | "start" | "lobby" | "call" | "ended";
const SCREENS: readonly Screen[] = ["register", "start", "lobby", "call", "ended"];
const TITLES: Record<Screen, string> = {
  register: "Sign in",
  start: "Start or join a call",
  lobby: "Ready to join?",
  call: "Call",
  ended: "Call ended",
};

export function show(screen: Screen): void {
  for (const name of SCREENS) element(`screen-${name}`, HTMLElement).hidden = name !== screen;
  document.body.dataset.screen = screen;
  document.title = `${TITLES[screen]} – Ringline`;
  // Whoever cannot see the screen change hears its title.
  element(`${screen}-title`, HTMLHeadingElement).focus({ preventScroll: false });
}

/** Say it to screen readers. */
export function announce(text: string): void {
  const line = document.createElement("span");
  line.textContent = `${text}. `;
  const log = element("announcements", HTMLElement);
  log.append(line);
  while (log.childElementCount > 20) log.firstElementChild?.remove();
}

let toastTimer: ReturnType<typeof setTimeout> | undefined;

/** Say it to everybody: shown for a moment, and read out. */
export function toast(text: string): void {
  if (text !== "") announce(text);
  const place = element("toast", HTMLElement);
  place.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    place.textContent = "";
  }, 4000);
}

/** A line under a field or above a button; empty hides it. */
export function complain(id: string, text: string, field?: HTMLInputElement): void {
  const place = element(id, HTMLElement);
  place.textContent = text;
  if (place.classList.contains("notice")) place.hidden = text === "";
  if (field === undefined) return;
  if (text === "") field.removeAttribute("aria-invalid");
  else {
    field.setAttribute("aria-invalid", "true");
    field.focus();
  }
}

/** Run once at a time: the button is busy meanwhile. */
export async function busy(control: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
  if (control.getAttribute("aria-busy") === "true") return;
  control.setAttribute("aria-busy", "true");
  try {
    await work();
  } finally {
    control.removeAttribute("aria-busy");
  }
}

export function onSubmit(form: string, control: string, work: () => Promise<void>): void {
  element(form, HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    void busy(button(control), work);
  });
}

export function onClick(control: string, work: () => Promise<void> | void): void {
  button(control).addEventListener("click", () => void busy(button(control), async () => work()));
}

/** A button that turns something on and off says what pressing it does. */
export function relabel(id: string, label: string, off: boolean): void {
  const control = button(id);
  const place = control.querySelector(".label");
  if (place !== null) place.textContent = label;
  control.title = label;
  control.dataset.off = String(off);
}

/** Whether it is in the clipboard now; pages over plain http have none. */
export async function copyText(text: string): Promise<boolean> {
  if (!window.isSecureContext) return false;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
