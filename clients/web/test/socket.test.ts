import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Disconnected, Refused, SfuSocket, type Wire } from "../src/call/socket.ts";
import { CloseCode } from "../src/protocol.ts";

class FakeWire implements Wire {
  readonly protocol = "ringline.v1.json";
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  readonly sent: { type: string; ref?: number }[] = [];
  closed: number | undefined | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code?: number): void {
    this.closed = code;
  }

  say(frame: unknown): void {
    const data = typeof frame === "string" ? frame : JSON.stringify(frame);
    this.onmessage?.({ data } as MessageEvent);
  }

  end(code: number): void {
    this.onclose?.({ code } as CloseEvent);
  }
}

const made = () => {
  const wire = new FakeWire();
  return { wire, socket: new SfuSocket(wire) };
};

test("answers find their questions, events go on", async () => {
  const { wire, socket } = made();
  const events: string[] = [];
  socket.onevent = (frame) => events.push(frame.type);
  const first = socket.request({ type: "ping" });
  const second = socket.request({ type: "mute", track: "t", muted: true });
  wire.say({ type: "media-connected" });
  wire.say({ type: "done", ref: 2 });
  wire.say({ type: "pong", ref: 1 });
  wire.say({ type: "pong", ref: 9 });
  assert.equal((await first).type, "pong");
  assert.equal((await second).type, "done");
  assert.deepEqual(events, ["media-connected", "pong"]);
  assert.deepEqual(
    wire.sent.map(({ ref }) => ref),
    [1, 2],
  );
  socket.close();
});

test("a refused question says why", async () => {
  const { wire, socket } = made();
  const question = socket.request({ type: "mute", track: "t", muted: true });
  const problem = { type: "/problems/not-found", title: "No", status: 404 };
  wire.say({ type: "error", ref: 1, problem });
  await assert.rejects(question, Refused);
  socket.close();
});

test("a closed connection ends every question, and the next at once", async () => {
  const { wire, socket } = made();
  const question = socket.request({ type: "ping" });
  wire.end(CloseCode.CALL_ENDED);
  await assert.rejects(question, Disconnected);
  assert.equal(await socket.closed, CloseCode.CALL_ENDED);
  await assert.rejects(socket.request({ type: "ping" }), Disconnected);
});

test("what is no frame ends the connection", async () => {
  for (const text of ["{", "null", "[]", "{}", '{"type":1}']) {
    const { wire, socket } = made();
    wire.say(text);
    assert.equal(await socket.closed, 1006);
    assert.equal(wire.closed, CloseCode.MALFORMED_FRAME);
  }
});

test("a server that does not answer is given up", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  try {
    const { wire, socket } = made();
    wire.onopen?.({} as Event);
    socket.keepAlive(25);
    mock.timers.tick(25_000);
    assert.deepEqual(
      wire.sent.map(({ type }) => type),
      ["ping"],
    );
    wire.say({ type: "pong", ref: 1 });
    mock.timers.tick(25_000);
    mock.timers.tick(9_999);
    assert.equal(wire.closed, null);
    mock.timers.tick(1);
    assert.equal(await socket.closed, 1006);
    const silent = made();
    mock.timers.tick(10_000);
    assert.equal(await silent.socket.closed, 1006, "never opened");
  } finally {
    mock.timers.reset();
  }
});

test("no more questions wait than it can remember", async () => {
  const { socket } = made();
  const waiting = Array.from({ length: 64 }, () => socket.request({ type: "ping" }));
  await assert.rejects(socket.request({ type: "ping" }), Disconnected);
  socket.close();
  await Promise.allSettled(waiting);
});
