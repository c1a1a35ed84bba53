/** The WebSocket to an SFU node: frames out, events in, and answers to requests by their `ref`. */
import {
  type AnySfuClientFrame,
  type AnySfuServerFrame,
  CloseCode,
  type Problem,
  SUBPROTOCOL,
} from "../protocol.ts";
import { problemSentence } from "../sentences.ts";

const OPEN_MS = 10_000;
const ANSWER_MS = 15_000;
const PONG_MS = 10_000;
/** Requests of one connection without an answer yet. */
const WAITING_MAX = 64;

/** The SFU refused a request; nothing of it took effect. */
export class Refused extends globalThis.Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problemSentence(problem));
    this.problem = problem;
  }
}

/** The connection ended, or was too slow, before the answer came. */
export class Disconnected extends globalThis.Error {}

export interface Wire {
  readonly protocol: string;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

type Waiting = {
  resolve: (frame: AnySfuServerFrame) => void;
  reject: (error: globalThis.Error) => void;
  timer: ReturnType<typeof setTimeout>;
};
type Unreferenced<Frame> = Frame extends unknown ? Omit<Frame, "ref"> : never;
export type Question = Unreferenced<AnySfuClientFrame>;

export class SfuSocket {
  /** Resolves once, with the close code: 1006 when it broke without one (RFC 6455 §7.1.5). */
  readonly closed: Promise<number>;
  onevent: (frame: AnySfuServerFrame) => void = () => {};

  private readonly wire: Wire;
  private readonly opened: Promise<void>;
  private readonly waiting = new Map<number, Waiting>();
  private ref = 0;
  private over = false;
  private heartbeat: ReturnType<typeof setInterval> | undefined;
  private end: (code: number) => void = () => {};

  constructor(wire: Wire) {
    this.wire = wire;
    this.closed = new Promise((resolve) => {
      this.end = (code) => {
        this.shut();
        resolve(code);
      };
    });
    this.opened = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.abandon(), OPEN_MS);
      wire.onopen = () => {
        clearTimeout(timer);
        resolve();
      };
      void this.closed.then(() => {
        clearTimeout(timer);
        reject(new Disconnected("the connection could not be opened"));
      });
    });
    this.opened.catch(() => {});
    wire.onmessage = (event) => this.receive(event.data);
    wire.onclose = (event) => this.end(event.code);
  }

  /** `path` as the ticket gives it. Raise Disconnected. */
  static async open(path: string, location: Pick<Location, "protocol" | "host">) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new SfuSocket(new WebSocket(`${scheme}//${location.host}${path}`, SUBPROTOCOL));
    await socket.opened;
    return socket;
  }

  /** Raise Refused or Disconnected. */
  request(question: Question, deadlineMs = ANSWER_MS): Promise<AnySfuServerFrame> {
    if (this.over || this.waiting.size >= WAITING_MAX) {
      return Promise.reject(new Disconnected("the connection is closed"));
    }
    this.ref += 1;
    const ref = this.ref;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.abandon(), deadlineMs);
      this.waiting.set(ref, { resolve, reject, timer });
      this.wire.send(JSON.stringify({ ...question, ref }));
    });
  }

  /** Looks every `seconds` whether the other end is still there: a browser sends no pings itself. */
  keepAlive(seconds: number): void {
    clearInterval(this.heartbeat);
    const beat = () => void this.request({ type: "ping" }, PONG_MS).catch(() => {});
    this.heartbeat = setInterval(beat, seconds * 1000);
  }

  /** Says good-bye; the SFU closes. */
  leave(): void {
    if (this.over) return;
    this.wire.send(JSON.stringify({ type: "leave" }));
    setTimeout(() => this.close(), 500);
  }

  close(): void {
    this.wire.close(1000);
    this.end(1000);
  }

  /** It does not answer: what the browser's own close would wait for, we do not. */
  private abandon(): void {
    this.wire.close();
    this.end(1006);
  }

  private shut(): void {
    this.over = true;
    clearInterval(this.heartbeat);
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new Disconnected("the connection was lost"));
    }
    this.waiting.clear();
  }

  private receive(data: unknown): void {
    if (this.over) return;
    const frame = read(data);
    if (frame === null) {
      this.wire.close(CloseCode.MALFORMED_FRAME);
      this.end(1006);
      return;
    }
    const waiting = "ref" in frame ? this.waiting.get(frame.ref) : undefined;
    if (!("ref" in frame) || waiting === undefined) {
      this.onevent(frame);
      return;
    }
    this.waiting.delete(frame.ref);
    clearTimeout(waiting.timer);
    if (frame.type === "error") waiting.reject(new Refused(frame.problem));
    else waiting.resolve(frame);
  }
}

function read(data: unknown): AnySfuServerFrame | null {
  try {
    const frame = JSON.parse(String(data)) as AnySfuServerFrame;
    return typeof frame?.type === "string" ? frame : null;
  } catch {
    return null;
  }
}
