import assert from "node:assert/strict";
import { test } from "node:test";
import { BackOff } from "../src/call/back_off.ts";
import { DeviceStore } from "../src/device.ts";
import { formatLink, isOurs, parseLink } from "../src/link.ts";
import { CloseCode, FINAL_CLOSE_CODES, PROBLEMS } from "../src/protocol.ts";
import {
  closeSentence,
  duration,
  INSECURE,
  leaveSentence,
  mediaSentence,
  problemSentence,
} from "../src/sentences.ts";
import { uuid7 } from "../src/uuid7.ts";

const ORIGIN = "https://calls.example.org";
const CALL = "0199f0f4-7a3c-7d3e-9c1b-0a1b2c3d4e5f";
const TOKEN = "k".repeat(43);

test("links come back as they went", () => {
  for (const token of [TOKEN, null]) {
    const link = { call: CALL, token };
    assert.deepEqual(parseLink(formatLink(ORIGIN, link), ORIGIN), link);
  }
  assert.deepEqual(parseLink(`  ${ORIGIN}/join/${CALL.toUpperCase()}/#${TOKEN}\n`, ORIGIN), {
    call: CALL,
    token: TOKEN,
  });
});

test("what is no link of a call is none", () => {
  const wrong = [
    "",
    "hello",
    ORIGIN,
    `${ORIGIN}/join/x`,
    `${ORIGIN}/join/${CALL}/more`,
    "http://[",
  ];
  for (const text of [
    ...wrong,
    `${ORIGIN}/join/${CALL}#short`,
    `${ORIGIN}/join/${CALL}#${"a b".repeat(9)}`,
  ]) {
    assert.equal(parseLink(text, ORIGIN), null, text);
  }
});

test("links of other servers are told apart", () => {
  assert.equal(isOurs(`${ORIGIN}/join/${CALL}`, ORIGIN), true);
  assert.equal(isOurs(`/join/${CALL}`, ORIGIN), true);
  assert.equal(isOurs(`https://other.example/join/${CALL}`, ORIGIN), false);
  assert.equal(isOurs("http://[", ORIGIN), false);
});

test("UUIDv7: time first, version and variant in their places", () => {
  const made = uuid7(0x0199f0f47a3c, new Uint8Array(10).fill(0xff));
  assert.equal(made, "0199f0f4-7a3c-7fff-bfff-ffffffffffff");
  assert.equal(uuid7(1, new Uint8Array(10)), "00000000-0001-7000-8000-000000000000");
  assert.ok(uuid7(1000, new Uint8Array(10).fill(0xff)) < uuid7(1001, new Uint8Array(10)));
});

test("pauses double with jitter, and end", () => {
  const shortest = new BackOff(() => 0);
  const longest = new BackOff(() => 0.999999);
  assert.equal(shortest.next(), 200);
  assert.equal(longest.next(), 400);
  assert.equal(shortest.next(), 400);
  let last: number | null = 0;
  let count = 2;
  while (last !== null) {
    last = shortest.next();
    if (last !== null) count += 1;
    assert.ok(last === null || last <= BackOff.LONGEST_MS);
  }
  assert.equal(count, BackOff.ATTEMPTS_MAX);
  shortest.reset();
  assert.equal(shortest.next(), 200);
});

test("every problem is a sentence", () => {
  for (const [type, title] of Object.entries(PROBLEMS)) {
    assert.match(problemSentence({ type, title, status: 400 }), /^[A-Z].*\.$/);
  }
  const limited = { type: "/problems/rate-limited", title: "", status: 429, retry_after_s: 7200 };
  assert.equal(problemSentence(limited), "That was too often. Try again in 2 hours.");
  assert.equal(problemSentence({ type: "about:blank", title: "Odd", status: 400 }), "Odd.");
});

test("every final close says why", () => {
  const other = closeSentence(1006);
  for (const code of FINAL_CLOSE_CODES) assert.notEqual(closeSentence(code), other);
  assert.match(closeSentence(CloseCode.REMOVED), /removed/);
});

test("every failure of a camera says what to do", () => {
  const names = ["NotAllowedError", "NotFoundError", "NotReadableError", INSECURE, "Odd"];
  const said = names.map((name) => mediaSentence("camera", new DOMException("", name)));
  assert.equal(new Set(said).size, names.length);
  for (const sentence of said) assert.match(sentence, /camera.*join without\.$/);
  assert.equal(mediaSentence("camera", new TypeError("odd")), said[4]);
});

test("durations and leavings in words", () => {
  assert.deepEqual([1, 2, 89, 90, 600, 5400].map(duration), [
    "1 second",
    "2 seconds",
    "89 seconds",
    "2 minutes",
    "10 minutes",
    "2 hours",
  ]);
  assert.equal(leaveSentence("Bea", "left"), "Bea left");
  assert.equal(leaveSentence("Bea", "silent"), "Bea lost the connection");
  assert.equal(leaveSentence("Bea", "removed"), "Bea was removed");
});

class Memory {
  readonly kept = new Map<string, string>();
  getItem = (key: string): string | null => this.kept.get(key) ?? null;
  setItem = (key: string, value: string): void => void this.kept.set(key, value);
  removeItem = (key: string): void => void this.kept.delete(key);
}

test("the credential is kept, forgotten, and not believed when it is broken", () => {
  const memory = new Memory();
  const store = new DeviceStore(memory);
  const credential = { account: CALL, device: 1, number: "+15550100", credential: TOKEN };
  assert.equal(store.load(), null);
  store.save(credential);
  assert.deepEqual(new DeviceStore(memory).load(), credential);
  for (const broken of ["{", "[]", '{"account":"x"}', "null"]) {
    memory.kept.set("ringline.device", broken);
    assert.equal(store.load(), null);
  }
  store.save(credential);
  store.forget();
  assert.equal(store.load(), null);
});

test("a browser that keeps nothing is no failure", () => {
  const refusing = (): never => {
    throw new Error("private window");
  };
  const store = new DeviceStore({ getItem: refusing, setItem: refusing, removeItem: refusing });
  store.save({ account: CALL, device: 1, number: "+1", credential: TOKEN });
  store.name = "Ann";
  store.forget();
  assert.equal(store.load(), null);
  assert.equal(store.name, "");
});
