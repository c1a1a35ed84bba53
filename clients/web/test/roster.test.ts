import assert from "node:assert/strict";
import { test } from "node:test";
import { Roster } from "../src/call/roster.ts";
import type { Participant, Track } from "../src/protocol.ts";

const track = (name: string, muted = false): Track => ({
  track: name,
  kind: name.endsWith("v") ? "video" : "audio",
  source: name.endsWith("v") ? "camera" : "microphone",
  muted,
});

const person = (id: string, ...tracks: Track[]): Participant => ({
  participant: id,
  account: "0b0a9c9e-7d36-4a39-8d6a-1d3c7f1b2a10",
  device: 1,
  name: id.toUpperCase(),
  tracks,
});

const kinds = (changes: { kind: string }[]): string[] => changes.map(({ kind }) => kind);

test("the whole state is taken, oneself left out", () => {
  const roster = new Roster();
  const changes = roster.replace("me", [person("me"), person("bea", track("b-a"), track("b-v"))]);
  assert.deepEqual(kinds(changes), ["joined", "published", "published"]);
  assert.deepEqual(
    roster.others.map(({ participant }) => participant),
    ["bea"],
  );
  assert.deepEqual(
    roster.tracks.map((t) => t.track),
    ["b-a", "b-v"],
  );
});

test("after a resume only the differences are told", () => {
  const roster = new Roster();
  roster.replace("me", [person("bea", track("b-a"), track("b-v")), person("carl")]);
  const changes = roster.replace("me", [
    person("bea", track("b-a", true), track("b-s")),
    person("dora"),
  ]);
  assert.deepEqual(
    changes.map((change) => [change.kind, change.person.participant]),
    [
      ["left", "carl"],
      ["ended", "bea"],
      ["muted", "bea"],
      ["published", "bea"],
      ["joined", "dora"],
    ],
  );
  assert.deepEqual(
    roster.tracks.map((t) => t.track),
    ["b-a", "b-s"],
  );
});

test("people come, publish, mute, stop and go", () => {
  const roster = new Roster();
  roster.replace("me", []);
  const bea = person("bea");
  assert.deepEqual(kinds(roster.apply({ type: "participant-joined", participant: bea })), [
    "joined",
  ]);
  const published = { type: "track-published", participant: "bea", track: track("b-v") } as const;
  assert.deepEqual(kinds(roster.apply(published)), ["published"]);
  assert.deepEqual(roster.apply(published), [], "told twice");
  const muted = { type: "track-muted", participant: "bea", track: "b-v", muted: true } as const;
  assert.deepEqual(kinds(roster.apply(muted)), ["muted"]);
  assert.deepEqual(roster.apply(muted), [], "no change");
  assert.equal(roster.tracks[0]?.muted, true);
  const ended = { type: "track-ended", participant: "bea", track: "b-v" } as const;
  assert.deepEqual(kinds(roster.apply(ended)), ["ended"]);
  assert.deepEqual(roster.apply(ended), []);
  const left = { type: "participant-left", participant: "bea", reason: "left" } as const;
  assert.deepEqual(kinds(roster.apply(left)), ["left"]);
  assert.deepEqual(roster.apply(left), []);
});

test("whoever goes takes the tracks along", () => {
  const roster = new Roster();
  roster.replace("me", [person("bea", track("b-a"), track("b-v"))]);
  const changes = roster.apply({ type: "participant-left", participant: "bea", reason: "silent" });
  assert.deepEqual(kinds(changes), ["ended", "ended", "left"]);
  assert.deepEqual(roster.tracks, []);
});

test("what is about nobody changes nothing", () => {
  const roster = new Roster();
  roster.replace("me", []);
  const frames = [
    { type: "participant-joined", participant: person("me") },
    { type: "track-published", participant: "x", track: track("x-v") },
    { type: "track-ended", participant: "x", track: "x-v" },
    { type: "track-muted", participant: "x", track: "x-v", muted: true },
    { type: "media-connected" },
  ] as const;
  for (const frame of frames) assert.deepEqual(roster.apply(frame), []);
});
