/** The REST interface, as far as the page needs it. Every request has a deadline. */
import type {
  AccessToken,
  DeviceCredential,
  GroupCall,
  JoinTicket,
  NewGroupCall,
  Problem,
  Registration,
  RelayCredentials,
} from "./protocol.ts";
import { NO_SERVER, problemSentence } from "./sentences.ts";

const DEADLINE_MS = 15_000;
/** An access token this close to its end is not used any more. */
const MARGIN_MS = 60_000;

/** The server said no, or did not answer: `problem` is null then. `message` is for people. */
export class ApiError extends globalThis.Error {
  readonly problem: Problem | null;

  constructor(problem: Problem | null) {
    super(problem === null ? NO_SERVER : problemSentence(problem));
    this.problem = problem;
  }

  /** Whether asking again later may help. */
  get passing(): boolean {
    const status = this.problem?.status;
    return status === undefined || status === 429 || status >= 500;
  }

  is(name: string): boolean {
    return this.problem?.type === `/problems/${name}`;
  }
}

export type Fetcher = (path: string, init: RequestInit) => Promise<Response>;

export class Api {
  private readonly fetcher: Fetcher;
  private readonly now: () => number;
  private token: AccessToken | null = null;
  private identity: DeviceCredential | null = null;

  constructor(fetcher: Fetcher, now: () => number) {
    this.fetcher = fetcher;
    this.now = now;
  }

  /** Whose requests the following are; null: nobody's. */
  use(identity: DeviceCredential | null): void {
    this.identity = identity;
    this.token = null;
  }

  startRegistration(number: string): Promise<Registration> {
    return this.send("POST", "/v1/registrations", { number });
  }

  resendCode(registration: string): Promise<Registration> {
    return this.send("POST", `/v1/registrations/${registration}/code`);
  }

  verify(registration: string, code: string, registrationId: number): Promise<DeviceCredential> {
    const device = { name: "Web browser", registration_id: registrationId };
    return this.send("POST", `/v1/registrations/${registration}/device`, { code, device });
  }

  newGroupCall(body: NewGroupCall): Promise<GroupCall> {
    return this.asked("POST", "/v1/group-calls", body);
  }

  ticket(call: string, linkToken: string | null): Promise<JoinTicket> {
    const body = linkToken === null ? {} : { link_token: linkToken };
    return this.asked("POST", `/v1/group-calls/${call}/tickets`, body);
  }

  relayCredentials(call: string): Promise<RelayCredentials> {
    return this.asked("POST", `/v1/calls/${call}/relay-credentials`);
  }

  /** With the access token; a token that the server takes no more is replaced once. */
  private async asked<T>(method: string, path: string, body?: unknown): Promise<T> {
    try {
      return await this.send(method, path, body, await this.accessToken());
    } catch (error) {
      if (!(error instanceof ApiError) || !error.is("unauthenticated")) throw error;
      this.token = null;
      return await this.send(method, path, body, await this.accessToken());
    }
  }

  private async accessToken(): Promise<string> {
    if (this.identity === null) {
      const title = "Nobody is signed in";
      throw new ApiError({ type: "/problems/credential-refused", title, status: 401 });
    }
    if (this.token === null || this.token.expires_at - MARGIN_MS < this.now()) {
      const { account, device, credential } = this.identity;
      this.token = await this.send<AccessToken>("POST", "/v1/tokens", {
        account,
        device,
        credential,
      });
    }
    return this.token.access_token;
  }

  private async send<T>(method: string, path: string, body?: unknown, token?: string): Promise<T> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(DEADLINE_MS) };
    if (body !== undefined) init.body = JSON.stringify(body);
    let response: Response;
    let text: string;
    try {
      response = await this.fetcher(path, init);
      text = await response.text();
    } catch {
      throw new ApiError(null);
    }
    if (!response.ok) throw new ApiError(problemOf(response.status, text));
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }
}

/** Also of an answer that some proxy on the way gave instead of the server. */
function problemOf(status: number, text: string): Problem {
  try {
    const problem = JSON.parse(text) as Problem;
    if (typeof problem.type === "string" && typeof problem.title === "string") return problem;
  } catch {
    // Not ours: described below.
  }
  return { type: "about:blank", title: `The server answered with status ${status}`, status };
}
