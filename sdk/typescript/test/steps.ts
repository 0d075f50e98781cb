/** A script of steps against a running service, and 1,000 creates while responses are lost. */

import assert from "node:assert/strict";
import { env } from "node:process";
import { MemoryStore, UserClient, UserServiceError, type KnownCode, type User, type VersionedUser } from "user-client";

const baseUrl = env["USERS_URL"] ?? "";
const token = env["USERS_TOKEN"] ?? "";
const prefix = "ts";

const requests: string[] = [];
const client = new UserClient({
  baseUrl,
  token: async () => token,
  fetch: (request) => {
    requests.push(`${request.method} ${new URL(request.url).pathname}`);
    return fetch(request);
  },
});

function newUser(name: string) {
  return { username: `${prefix}-${name}`, email: `${prefix}-${name}@example.org` };
}

async function fails(code: KnownCode, call: () => Promise<unknown>): Promise<UserServiceError> {
  try {
    await call();
  } catch (error) {
    assert(error instanceof UserServiceError, String(error));
    assert.equal(error.code, code, error.message);
    assert(error.is(code));
    assert(error.requestId);
    return error;
  }
  assert.fail(`expected ${code}`);
}

async function eventually(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !condition(); ) {
    assert(Date.now() < end, `not within 30 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A client whose first responses are other ones, and the keys of the requests that it sends. */
function impaired(firsts: (() => Response)[], retryFor = 30_000): [UserClient, string[]] {
  const sent: string[] = [];
  const send = async (request: Request) => {
    assert.equal(request.redirect, "manual");
    sent.push(request.headers.get("Idempotency-Key") ?? "");
    const response = await fetch(request);
    return firsts.shift()?.() ?? response;
  };
  return [new UserClient({ baseUrl, token, retryFor, fetch: send }), sent];
}

function lost(): Response {
  throw new TypeError("the response is lost");
}

function problem(status: number, members: object): Response {
  const headers = { "Content-Type": "application/problem+json" };
  const body = { type: "x", title: "x", status, detail: "x", request_id: "x", ...members };
  return new Response(JSON.stringify(body), { status, headers });
}

function unavailable(): Response {
  const response = problem(503, { code: "overloaded" });
  response.headers.set("Retry-After", "1");
  return response;
}

function createToken(client: UserClient, name: string): Promise<unknown> {
  return client.api.POST("/v1/tokens", { body: { name: `${prefix}-${name}`, scopes: ["users:read"] } });
}

const unknown = "0199b8f2-7c1e-7000-8000-000000000000";

/** Loses its position once it is told to. */
class ForgetfulStore extends MemoryStore {
  isLost = false;

  override async cursor(): Promise<string | undefined> {
    return this.isLost ? "not-a-cursor" : super.cursor();
  }

  override async replace(users: AsyncIterable<User>, cursor: string): Promise<void> {
    await super.replace(users, cursor);
    this.isLost = false;
  }
}

const store = new ForgetfulStore();
const following = new AbortController();
let loop: Promise<void>;
let alice: VersionedUser;
let bob: VersionedUser;
let old: VersionedUser;
let crowd: User[] = [];
const username = () => alice.user.username;

const steps: [string, () => Promise<void>][] = [
  ["create a user", async () => {
    alice = await client.create({ ...newUser("alice"), profile: { bio: "first" } });
    assert.equal(alice.user.version, 1);
    assert.match(alice.etag, /^"1-/);
  }],
  ["a taken username is a 409", async () => {
    const error = await fails("username_taken", () => client.create({ ...newUser("x"), username: username() }));
    assert.equal(error.status, 409);
  }],
  ["a taken email is a 409", async () => {
    await fails("email_taken", () => client.create({ ...newUser("x"), email: newUser("alice").email }));
  }],
  ["an invalid member is a 422 with its location", async () => {
    const error = await fails("invalid", () => client.create({ ...newUser("x"), profile: { website: "ftp://x" } }));
    assert.equal(error.errors[0]?.pointer, "/profile/website");
  }],
  ["read returns the same ETag", async () => assert.equal((await client.read(alice.user.id)).etag, alice.etag)],
  ["an unknown user is a 404", async () => void (await fails("user_not_found", () => client.read(unknown)))],
  ["save changes a user", async () => {
    old = alice;
    alice = await client.save(alice, { profile: { bio: "second" } });
    assert.equal(alice.user.profile.bio, "second");
  }],
  ["save with an old ETag is a 412", async () => {
    await fails("precondition_failed", () => client.save(old, { profile: { bio: "third" } }));
  }],
  ["null clears a field", async () => {
    alice = await client.save(alice, { profile: { bio: null } });
    assert.equal(alice.user.profile.bio, null);
  }],
  ["a key of the caller's own is replayed", async () => {
    bob = await client.create(newUser("bob"), { idempotencyKey: `${prefix}-1` });
    const again = await client.create(newUser("bob"), { idempotencyKey: `${prefix}-1` });
    assert.equal(again.user.id, bob.user.id);
  }],
  ["a key for another request is a 422", async () => {
    await fails("idempotency_key_reused", () => client.create(newUser("y"), { idempotencyKey: `${prefix}-1` }));
  }],
  ["create 120 users at once", async () => {
    const names = Array.from({ length: 120 }, (_, number) => `crowd${number}`);
    crowd = (await Promise.all(names.map((name) => client.create(newUser(name))))).map(({ user }) => user);
  }],
  ["walk them in three pages", async () => {
    requests.length = 0;
    const found: string[] = [];
    for await (const user of client.users({ username_prefix: `${prefix}-crowd`, limit: 50, sort: "created_at" })) {
      found.push(user.id);
    }
    assert.deepEqual(found.sort(), crowd.map(({ id }) => id).sort());
    assert.equal(requests.length, 3);
  }],
  ["100 gets at once are one batch", async () => {
    requests.length = 0;
    const users = await Promise.all(crowd.slice(0, 100).map(({ id }) => client.get(id)));
    assert.deepEqual(users.map((user) => user?.id), crowd.slice(0, 100).map(({ id }) => id));
    assert.deepEqual(requests, ["POST /v1/users/batch"]);
  }],
  ["unknown and malformed ids are null", async () => {
    const users = await Promise.all([unknown, alice.user.id, "x", unknown].map((id) => client.get(id)));
    assert.deepEqual(users.map((user) => user?.id), [undefined, alice.user.id, undefined, undefined]);
  }],
  ["a generated operation counts users", async () => {
    const { data } = await client.api.GET("/v1/users/count", { params: { query: { username_prefix: `${prefix}-` } } });
    assert.equal(data?.count, 122);
  }],
  ["set a password", async () => {
    const params = { path: { id: alice.user.id } };
    await client.api.PUT("/v1/users/{id}/password", { params, body: { password: "stale lemon 83 kettle" } });
  }],
  ["verify it", async () => {
    assert.equal((await client.verify({ identifier: username(), password: "stale lemon 83 kettle" })).id, alice.user.id);
  }],
  ["a wrong password is a 401", async () => {
    await fails("invalid_credentials", () => client.verify({ identifier: username(), password: "wrong lemon 83" }));
  }],
  ["follow a user", () => client.follow(alice.user.id, bob.user.id)],
  ["the follower is listed", async () => {
    const { data } = await client.api.GET("/v1/users/{id}/followers", { params: { path: { id: bob.user.id } } });
    assert.deepEqual(data?.users.map(({ id }) => id), [alice.user.id]);
  }],
  ["suspend a user", async () => {
    const body = { reason: "a reason" };
    const { data } = await client.api.POST("/v1/users/{id}/suspend", { params: { path: { id: bob.user.id } }, body });
    assert.equal(data?.status, "suspended");
  }],
  ["activate it", async () => {
    const { data } = await client.api.POST("/v1/users/{id}/activate", { params: { path: { id: bob.user.id } } });
    assert.equal(data?.status, "active");
  }],
  ["a copy of all users is made", async () => {
    loop = client.followUsers(store, { signal: following.signal, wait: 5, listLag: 0 });
    await eventually(() => store.users.size >= 122);
    assert.equal(store.users.get(bob.user.id)?.username, bob.user.username);
  }],
  ["the copy follows a change", async () => {
    alice = await client.save(await client.read(alice.user.id), { profile: { name: "Alice" } });
    await eventually(() => store.users.get(alice.user.id)?.profile.name === "Alice");
  }],
  ["the copy follows a deletion", async () => {
    await client.delete(bob.user.id);
    await eventually(() => !store.users.has(bob.user.id));
  }],
  ["a lost position makes a new copy", async () => {
    store.users.clear();
    store.isLost = true;
    await client.save(await client.read(alice.user.id), { profile: { name: "Alice again" } });
    await eventually(() => store.users.size >= 121);
  }],
  ["erase a user", async () => {
    await client.delete(alice.user.id, { erase: true });
    await fails("user_not_found", () => client.read(alice.user.id));
  }],
  ["the copy follows the erasure", async () => {
    await eventually(() => !store.users.has(alice.user.id));
    following.abort();
    await loop;
  }],
  ["a wrong token is a 401", async () => {
    await fails("invalid_token", () => new UserClient({ baseUrl, token: "wrong" }).read(alice.user.id));
  }],
  ["a write is repeated under its key", async () => {
    for (const first of [lost, unavailable]) {
      const [client, sent] = impaired([first]);
      await client.create(newUser(`repeated-${first.name}`));
      assert.equal(sent.length, 2);
      assert(sent[0] !== "" && sent[0] === sent[1], String(sent));
    }
  }],
  ["a long Retry-After is an error at once", async () => {
    const [client, sent] = impaired([unavailable], 900);
    await fails("overloaded", () => client.read(unknown));
    assert.equal(sent.length, 1);
  }],
  ["a write without a key is not repeated after a lost response", async () => {
    const [client, sent] = impaired([lost]);
    await assert.rejects(createToken(client, "x"), { code: "no_response", status: 0 });
    assert.deepEqual(sent, [""]);
  }],
  ["an idempotent write without a key is repeated", async () => {
    const [client, sent] = impaired([lost]);
    await client.api.DELETE("/v1/users/{id}/lockout", { params: { path: { id: crowd[0]?.id ?? "" } } });
    assert.deepEqual(sent, ["", ""]);
  }],
  ["any write is repeated after a 408", async () => {
    const [client, sent] = impaired([() => problem(408, { code: "request_timeout" })]);
    await createToken(client, "y");
    assert.deepEqual(sent, ["", ""]);
  }],
  ["responses of a gateway are unexpected", async () => {
    const page = { "Content-Type": "text/html" };
    const broken = { "Content-Type": "application/problem+json" };
    for (const response of [
      new Response("<p>", { status: 200, headers: page }),
      new Response(null, { status: 302, headers: { Location: `${baseUrl}/health/live` } }),
      new Response("<p>", { status: 404, headers: page }),
      new Response("{", { status: 503, headers: broken }),
      new Response("null", { status: 503, headers: broken }),
      problem(503, {}),
      problem(503, { code: 503 }),
      problem(503, { code: "overloaded", status: 500 }),
    ]) {
      const [client, sent] = impaired([() => response]);
      const { status } = response;
      await assert.rejects(createToken(client, "z"), { code: "unexpected_response", status, problem: undefined });
      assert.deepEqual(sent, [""]);
    }
  }],
  ["a batch of another length is unexpected", async () => {
    const headers = { "Content-Type": "application/json" };
    const [client] = impaired([() => new Response('{"users": []}', { headers })]);
    await assert.rejects(client.get(unknown), { code: "unexpected_response" });
  }],
  ["a whole attempt has a timeout", async () => {
    // The body never ends.
    const send = async ({ signal }: Request) => new Response(new ReadableStream({
      start: (body) => signal.addEventListener("abort", () => body.error(signal.reason)),
    }));
    const client = new UserClient({ baseUrl, token, fetch: send, attemptTimeout: 100, retryFor: 0 });
    await assert.rejects(client.read(unknown), { code: "no_response", status: 0 });
  }],
  ["a copy survives a 410 and errors after it", async () => {
    const store = new ForgetfulStore();
    store.isLost = true;
    const errors: unknown[] = [];
    const [client] = impaired([
      () => problem(410, { code: "cursor_lost" }),
      () => problem(500, { code: "internal" }),
      () => problem(408, { code: "request_timeout" }),
    ], 0);
    const stop = new AbortController();
    const onError = (error: unknown) => errors.push((error as UserServiceError).code);
    const loop = client.followUsers(store, { signal: stop.signal, wait: 1, listLag: 0, onError });
    await eventually(() => store.users.size >= 120);
    stop.abort();
    await loop;
    assert.deepEqual(errors, ["cursor_lost", "internal", "request_timeout"]);
  }],
  ["a copy that is stopped before the walk is unchanged", async () => {
    const [client, sent] = impaired([]);
    const stop = new AbortController();
    const store = new MemoryStore();
    const loop = client.followUsers(store, { signal: stop.signal, listLag: 60_000 });
    await eventually(() => sent.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    stop.abort();
    await loop;
    assert.deepEqual([sent.length, store.users.size, await store.cursor()], [1, 0, undefined]);
  }],
];

for (const [index, [name, step]] of steps.entries()) {
  await step().catch((error: unknown) => {
    throw new Error(`step ${index + 1}, ${name}`, { cause: error });
  });
}
console.log(`TypeScript: ${steps.length} steps`);

const lossy = new UserClient({ baseUrl: env["USERS_LOSSY_URL"] ?? "", token });
const ids = new Set<string>();
let next = 0;
await Promise.all(Array.from({ length: 16 }, async () => {
  while (next < 1_000) {
    ids.add((await lossy.create(newUser(`lost${next++}`))).user.id);
  }
}));
const query = { username_prefix: `${prefix}-lost` };
const { data } = await client.api.GET("/v1/users/count", { params: { query } });
assert.deepEqual([ids.size, data?.count], [1_000, 1_000]);
console.log("TypeScript: 1000 creates made 1000 users");
