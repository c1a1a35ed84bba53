import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, ApiError } from "../src/api.ts";
import type { DeviceCredential } from "../src/protocol.ts";

const ME: DeviceCredential = {
  account: "0b0a9c9e-7d36-4a39-8d6a-1d3c7f1b2a10",
  device: 1,
  number: "+15550100",
  credential: "c".repeat(43),
};

interface Asked {
  path: string;
  authorization: string | undefined;
  body: unknown;
}

/** A server that answers from a list, and what it was asked. */
function server(...answers: [number, unknown][]) {
  const asked: Asked[] = [];
  const fetcher = async (path: string, init: RequestInit): Promise<Response> => {
    const headers = init.headers as Record<string, string>;
    const body = init.body === undefined ? undefined : JSON.parse(String(init.body));
    asked.push({ path, authorization: headers.Authorization, body });
    const answer = answers.shift();
    if (answer === undefined) throw new TypeError("no network");
    const [status, content] = answer;
    return new Response(typeof content === "string" ? content : JSON.stringify(content), {
      status,
    });
  };
  return { asked, fetcher };
}

const token = (name: string, expires_at = 10_000_000): [number, unknown] => [
  201,
  { access_token: name, expires_at },
];
const ticket: [number, unknown] = [
  201,
  { ticket: "t", node: "n", path: "/v1/sfu/n", expires_at: 1 },
];
const refusal = (name: string, status: number): [number, unknown] => [
  status,
  { type: `/problems/${name}`, title: "Title", status },
];

test("one access token serves until a minute before its end", async () => {
  let now = 0;
  const { asked, fetcher } = server(token("one", 100_000), ticket, ticket, token("two"), ticket);
  const api = new Api(fetcher, () => now);
  api.use(ME);
  await api.ticket("c", null);
  now = 40_000;
  await api.ticket("c", "link");
  now = 40_001;
  await api.ticket("c", null);
  const paths = asked.map(({ path }) => path.replace(/.*\//, ""));
  assert.deepEqual(paths, ["tokens", "tickets", "tickets", "tokens", "tickets"]);
  assert.equal(asked[4]?.authorization, "Bearer two");
  assert.deepEqual([asked[1]?.body, asked[2]?.body], [{}, { link_token: "link" }]);
});

test("a refused token is replaced once", async () => {
  const refused = refusal("unauthenticated", 401);
  const { asked, fetcher } = server(token("old"), refused, token("new"), refused);
  const api = new Api(fetcher, () => 0);
  api.use(ME);
  await assert.rejects(api.ticket("c", null), (error: ApiError) => error.is("unauthenticated"));
  assert.equal(asked.length, 4);
});

test("nobody's requests are not even sent", async () => {
  const { asked, fetcher } = server();
  const api = new Api(fetcher, () => 0);
  await assert.rejects(api.relayCredentials("c"), (e: ApiError) => e.is("credential-refused"));
  assert.equal(asked.length, 0);
});

test("what went wrong is told apart", async () => {
  const cases: [[number, unknown][], boolean, RegExp][] = [
    [[], true, /cannot be reached/],
    [[refusal("not-found", 404)], false, /no such call/],
    [[refusal("rate-limited", 429)], true, /too often/],
    [[refusal("unavailable", 503)], true, /busy/],
    [[[502, "<html>Bad gateway</html>"]], true, /status 502/],
  ];
  for (const [answers, passing, words] of cases) {
    const api = new Api(server(...answers).fetcher, () => 0);
    await assert.rejects(api.startRegistration("+1"), (error: ApiError) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.passing, passing);
      assert.match(error.message, words);
      return true;
    });
  }
});
