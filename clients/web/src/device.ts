/** What this browser keeps: the device credential and the name last used. In local storage, readable
 * by this origin alone; see docs/decisions/0016-web-page.md for why, and for what comes later. */
import type { DeviceCredential } from "./protocol.ts";

const DEVICE = "ringline.device";
const NAME = "ringline.name";

export type Storage = Pick<globalThis.Storage, "getItem" | "setItem" | "removeItem">;

export class DeviceStore {
  private readonly storage: Storage;

  constructor(storage: Storage) {
    this.storage = storage;
  }

  load(): DeviceCredential | null {
    try {
      const found = JSON.parse(this.storage.getItem(DEVICE) ?? "null") as unknown;
      return isCredential(found) ? found : null;
    } catch {
      return null;
    }
  }

  /** Raises nothing: a browser that keeps nothing still makes this one call. */
  save(credential: DeviceCredential): void {
    this.put(DEVICE, JSON.stringify(credential));
  }

  forget(): void {
    try {
      this.storage.removeItem(DEVICE);
    } catch {
      // It keeps nothing.
    }
  }

  get name(): string {
    try {
      return this.storage.getItem(NAME) ?? "";
    } catch {
      return "";
    }
  }

  set name(name: string) {
    this.put(NAME, name);
  }

  private put(key: string, value: string): void {
    try {
      this.storage.setItem(key, value);
    } catch {
      // Full, or forbidden in a private window.
    }
  }
}

function isCredential(found: unknown): found is DeviceCredential {
  if (typeof found !== "object" || found === null) return false;
  const fields = found as Record<string, unknown>;
  const texts = [fields.account, fields.number, fields.credential];
  return typeof fields.device === "number" && texts.every((text) => typeof text === "string");
}
