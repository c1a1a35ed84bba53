/** A tile for everybody, one's own among them. */
import type { Participant, Track } from "../protocol.ts";
import { element } from "./page.ts";

export const OWN = "self";

interface Tile {
  readonly item: HTMLLIElement;
  readonly video: HTMLVideoElement;
  readonly stream: MediaStream;
}

/** A screen that somebody shows has a tile of its own. */
type Group = "person" | "screen";
const groupOf = (track: Track): Group =>
  track.source === "screen" || track.source === "screen-audio" ? "screen" : "person";

export class Tiles {
  private readonly list = element("tiles", HTMLUListElement);
  private readonly tiles = new Map<string, Tile>();
  /** Where the media of a track is shown. */
  private readonly shown = new Map<string, { tile: Tile; media: MediaStreamTrack }>();
  private readonly blocked: () => void;

  /** `blocked`: the browser holds sound back until the person asks for it. */
  constructor(blocked: () => void) {
    this.blocked = blocked;
    new ResizeObserver(() => this.arrange()).observe(this.list);
  }

  clear(): void {
    for (const key of [...this.tiles.keys()]) this.remove(key);
    this.shown.clear();
  }

  add(participant: string, name: string, group: Group = "person"): Tile {
    const key = `${participant}/${group}`;
    const known = this.tiles.get(key);
    if (known !== undefined) return known;
    const made = makeTile(participant, name, group);
    this.tiles.set(key, made);
    if (group === "screen") this.list.prepend(made.item);
    else this.list.append(made.item);
    this.arrange();
    return made;
  }

  removePerson(participant: string): void {
    this.remove(`${participant}/person`);
    this.remove(`${participant}/screen`);
  }

  published(person: Participant, track: Track): void {
    const tile = this.add(person.participant, person.name, groupOf(track));
    mark(tile, track);
  }

  muted(person: Participant, track: Track): void {
    const tile = this.tiles.get(`${person.participant}/${groupOf(track)}`);
    if (tile !== undefined) mark(tile, track);
  }

  ended(person: Participant, track: Track): void {
    const key = `${person.participant}/${groupOf(track)}`;
    const tile = this.tiles.get(key);
    const shown = this.shown.get(track.track);
    this.shown.delete(track.track);
    if (tile === undefined) return;
    if (shown !== undefined) tile.stream.removeTrack(shown.media);
    mark(tile, { ...track, muted: true });
    if (groupOf(track) === "screen" && tile.stream.getTracks().length === 0) this.remove(key);
  }

  /** The media of a track has come (again). */
  received(person: Participant, track: Track, media: MediaStreamTrack): void {
    const tile = this.add(person.participant, person.name, groupOf(track));
    const before = this.shown.get(track.track);
    if (before?.media === media && before.tile === tile) return;
    if (before !== undefined) before.tile.stream.removeTrack(before.media);
    tile.stream.addTrack(media);
    this.shown.set(track.track, { tile, media });
    this.play(tile.video);
  }

  /** One's own picture; null when the camera is off. */
  showOwn(name: string, camera: MediaStreamTrack | null, silent: boolean): void {
    const tile = this.add(OWN, name);
    tile.video.muted = true;
    for (const old of tile.stream.getTracks()) if (old !== camera) tile.stream.removeTrack(old);
    if (camera !== null && tile.stream.getTracks().length === 0) tile.stream.addTrack(camera);
    tile.item.dataset.video = camera === null ? "off" : "on";
    setSilent(tile, silent);
    this.play(tile.video);
  }

  /** After the person pressed something: sound may play now. */
  playAll(): void {
    for (const { video } of this.tiles.values()) this.play(video);
  }

  speaking(participant: string, speaks: boolean): void {
    const tile = this.tiles.get(`${participant}/person`);
    if (tile !== undefined) tile.item.dataset.speaking = String(speaks);
  }

  /** The ids of the media that a person's tile plays, and what its element carries. */
  mediaOf(participant: string): { tracks: string[]; data: DOMStringMap } | null {
    const tile = this.tiles.get(`${participant}/person`);
    if (tile === undefined) return null;
    return { tracks: tile.stream.getTracks().map(({ id }) => id), data: tile.item.dataset };
  }

  private remove(key: string): void {
    const tile = this.tiles.get(key);
    if (tile === undefined) return;
    this.tiles.delete(key);
    tile.video.srcObject = null;
    tile.item.remove();
    this.arrange();
  }

  private play(video: HTMLVideoElement): void {
    video.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.blocked();
    });
  }

  /** As many columns as make the tiles largest. */
  private arrange(): void {
    const count = this.tiles.size;
    const { clientWidth: width, clientHeight: height } = this.list;
    const columns = columnsFor(count, width, height);
    this.list.style.setProperty("--columns", String(columns));
    this.list.style.setProperty("--rows", String(Math.ceil(count / columns)));
    // What scrolls must be reachable without a mouse.
    this.list.tabIndex = this.list.scrollHeight > height + 1 ? 0 : -1;
  }
}

/** For tiles that are about 4:3, cropped to what there is. */
export function columnsFor(count: number, width: number, height: number): number {
  let best = 1;
  let largest = 0;
  for (let columns = 1; columns <= Math.min(count, 6); columns++) {
    const tileWidth = width / columns;
    const tileHeight = height / Math.ceil(count / columns);
    const area = Math.min(tileWidth, (tileHeight * 4) / 3) ** 2;
    if (area > largest) {
      largest = area;
      best = columns;
    }
  }
  return best;
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("") || "?";
}

function makeTile(participant: string, name: string, group: Group): Tile {
  const template = element("tile-template", HTMLTemplateElement).content;
  const item = (template.cloneNode(true) as DocumentFragment).firstElementChild as HTMLLIElement;
  const video = item.querySelector("video") as HTMLVideoElement;
  const shown = participant === OWN ? `${name || "You"} (you)` : name || "Guest";
  const label = group === "screen" ? `${shown}: screen` : shown;
  item.dataset.participant = participant;
  item.dataset.source = group;
  item.dataset.video = "off";
  item.dataset.audio = "off";
  item.dataset.speaking = "false";
  video.setAttribute("aria-label", `Video of ${label}`);
  (item.querySelector(".name") as HTMLElement).textContent = label;
  (item.querySelector(".face") as HTMLElement).textContent = initials(name || "Guest");
  const tile = { item, video, stream: new MediaStream() };
  video.srcObject = tile.stream;
  setSilent(tile, true);
  return tile;
}

function mark(tile: Tile, track: Track): void {
  if (track.kind === "video") tile.item.dataset.video = track.muted ? "off" : "on";
  else setSilent(tile, track.muted);
}

function setSilent(tile: Tile, silent: boolean): void {
  tile.item.dataset.audio = silent ? "off" : "on";
  const words = tile.item.querySelector(".muted-words") as HTMLElement;
  words.textContent = silent && tile.item.dataset.source === "person" ? ", muted" : "";
}
