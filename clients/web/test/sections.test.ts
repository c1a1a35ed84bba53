import assert from "node:assert/strict";
import { test } from "node:test";
import { RECEIVING_MAX, Sections } from "../src/call/sections.ts";
import type { TrackKind } from "../src/protocol.ts";

interface Fake {
  kind: TrackKind;
  on: boolean;
}

const made = () => {
  const sections = new Sections<Fake>(
    (kind) => ({ kind, on: true }),
    (transceiver, on) => {
      transceiver.on = on;
    },
  );
  return sections;
};
const audio = (track: string) => ({ track, kind: "audio" as const });
const video = (track: string) => ({ track, kind: "video" as const });

test("each wanted track gets one section, once", () => {
  const sections = made();
  assert.equal(sections.fit([audio("a"), video("v")]), true);
  assert.equal(sections.fit([audio("a"), video("v")]), false);
  assert.deepEqual(
    sections.all.map(({ kind, track }) => [kind, track]),
    [
      ["audio", "a"],
      ["video", "v"],
    ],
  );
});

test("a section whose track ended is turned off, then used again by its kind", () => {
  const sections = made();
  sections.fit([audio("a"), video("v")]);
  assert.equal(sections.fit([video("v")]), true);
  assert.equal(sections.all[0]?.transceiver.on, false);
  assert.equal(sections.fit([video("v"), video("w")]), true);
  assert.equal(sections.all.length, 3, "no audio section receives video");
  sections.fit([video("v"), video("w"), audio("b")]);
  assert.equal(sections.all.length, 3);
  assert.deepEqual([sections.all[0]?.track, sections.all[0]?.transceiver.on], ["b", true]);
});

test("many comings and goings need no more sections than people at a time", () => {
  const sections = made();
  for (let i = 0; i < 500; i++) sections.fit([audio(`a${i}`), video(`v${i}`)]);
  assert.equal(sections.all.length, 2);
});

test("there are never more than the SFU takes", () => {
  const sections = made();
  const many = Array.from({ length: RECEIVING_MAX + 10 }, (_, i) => audio(`a${i}`));
  sections.fit(many);
  assert.equal(sections.all.length, RECEIVING_MAX);
  assert.equal(sections.fit(many), false, "and no offer is made for what does not fit");
});

test("what was not forwarded after all is released", () => {
  const sections = made();
  sections.fit([video("v")]);
  sections.release("v");
  sections.release("unknown");
  assert.deepEqual([sections.all[0]?.track, sections.all[0]?.transceiver.on], [null, false]);
});
