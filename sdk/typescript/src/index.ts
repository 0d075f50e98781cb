/**
 * A client of the User service.
 *
 * Every operation of the API is in {@link UserClient.api}, generated from the OpenAPI document. All requests pass the
 * same `fetch`, which adds the credential and the `Idempotency-Key`, repeats what is safe to repeat, and throws a
 * {@link UserServiceError} for each error response.
 */

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";
import { Transport, UserServiceError, backoff, sleep, type UserClientOptions } from "./transport.js";

type Schemas = components["schemas"];
export type User = Schemas["User"];
export type NewUser = Schemas["NewUser"];
export type UserPatch = Schemas["UserPatch"];
export type UserEvent = Schemas["CloudEvent"];
export type UserFilter = NonNullable<paths["/v1/users"]["get"]["parameters"]["query"]>;
export type { components, paths };
export { UserServiceError };
export type { ErrorCode, FieldError, KnownCode, Problem, UserClientOptions } from "./transport.js";

/** What {@link UserClient.save} needs to refuse a user that was changed since it was read. */
export interface VersionedUser {
  readonly user: User;
  readonly etag: string;
}

export interface WriteOptions {
  /** A key of your own, which can survive a restart of your process. The default is a new key for each call. */
  idempotencyKey?: string;
}

/** A change of a user. `user` is null if it was deleted or erased. */
export interface Change {
  readonly id: string;
  readonly revision: number;
  readonly user: User | null;
  readonly event: UserEvent;
}

/** A copy of users with its position in the event feed. Store both in one transaction if possible. */
export interface CopyStore {
  /** The stored position; undefined at the first start. */
  cursor(): Promise<string | undefined>;
  /** The revision of the last change that was applied to a user; undefined if there was none. */
  revision(id: string): Promise<number | undefined>;
  /** Replaces the whole copy, its revisions and the position. */
  replace(users: AsyncIterable<User>, cursor: string): Promise<void>;
  /** Applies changes, at most one of each user, and stores the position. */
  apply(changes: readonly Change[], cursor: string): Promise<void>;
}

export interface FollowOptions {
  /** Ends the loop. After it aborts, the store is not changed. */
  signal?: AbortSignal;
  /** Seconds that a request waits for an event, at most 25; default 25. */
  wait?: number;
  /** How old a list can be, in milliseconds; default 2,000. Only replicas with standby databases need it. */
  listLag?: number;
  /** Called for each error after which the loop continues. */
  onError?: (error: unknown) => void;
}

const BATCH_SIZE = 500;
const BATCH_WINDOW_MS = 2;

export class UserClient {
  /** All operations of the API. Their results have `data`; errors are thrown. */
  readonly api: Client<paths>;
  #batch: Map<string, Deferred<User | null>> | undefined;

  constructor(options: UserClientOptions) {
    const transport = new Transport(options);
    this.api = createClient<paths>({
      baseUrl: options.baseUrl.replace(/\/+$/, ""),
      fetch: (request) => transport.send(request),
    });
  }

  async create(user: NewUser, { idempotencyKey }: WriteOptions = {}): Promise<VersionedUser> {
    const header = idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey };
    return versioned(await this.api.POST("/v1/users", { params: { header }, body: user }));
  }

  /** Reads a user together with its `ETag`. */
  async read(id: string): Promise<VersionedUser> {
    return versioned(await this.api.GET("/v1/users/{id}", { params: { path: { id } } }));
  }

  /**
   * Returns a user, or null if there is none for this caller. Calls at the same time share requests of up to 500
   * users each.
   */
  get(id: string): Promise<User | null> {
    if (this.#batch === undefined) {
      const batch = new Map<string, Deferred<User | null>>();
      this.#batch = batch;
      setTimeout(() => this.#load(batch), BATCH_WINDOW_MS);
    }
    const batch = this.#batch;
    let user = batch.get(id);
    if (user === undefined) {
      user = new Deferred();
      batch.set(id, user);
    }
    if (batch.size === BATCH_SIZE) {
      this.#batch = undefined;
    }
    return user.promise;
  }

  async #load(batch: Map<string, Deferred<User | null>>): Promise<void> {
    if (this.#batch === batch) {
      this.#batch = undefined;
    }
    try {
      const page = content(await this.api.POST("/v1/users/batch", { body: { ids: [...batch.keys()] } }));
      const users = page.users as (User | null)[];
      if (!Array.isArray(users) || users.length !== batch.size) {
        throw new UserServiceError(200, "unexpected_response", "the batch does not have a user for each id");
      }
      [...batch.values()].forEach((waiting, index) => waiting.resolve(users[index] ?? null));
    } catch (error) {
      batch.forEach((waiting) => waiting.reject(error));
    }
  }

  /**
   * Merges changes into a user (RFC 7396: null clears a field) if it is still as it was read. Otherwise throws
   * `precondition_failed`: read the user again and decide anew.
   */
  async save(read: VersionedUser, patch: UserPatch): Promise<VersionedUser> {
    const params = { path: { id: read.user.id }, header: { "If-Match": read.etag } };
    return versioned(await this.api.PATCH("/v1/users/{id}", { params, body: patch }));
  }

  /** Deletes a user; it can be restored for 30 days. With `erase` it is removed permanently. */
  async delete(id: string, { erase = false } = {}): Promise<void> {
    const query = erase ? { erase: true } : {};
    await this.api.DELETE("/v1/users/{id}", { params: { path: { id }, query } });
  }

  /** Checks a password. Throws `invalid_credentials` if the login is refused. */
  async verify(login: Schemas["Login"]): Promise<User> {
    return content(await this.api.POST("/v1/credentials/verify", { body: login })) as User;
  }

  async follow(id: string, target: string): Promise<void> {
    await this.api.PUT("/v1/users/{id}/following/{target}", { params: { path: { id, target } } });
  }

  /** Iterates over all users that match a filter, page by page. Throws the reason of the signal if it aborts. */
  async *users(filter: UserFilter = {}, signal?: AbortSignal): AsyncGenerator<User, void, undefined> {
    let cursor: string | null | undefined = filter.cursor;
    do {
      const query: UserFilter = typeof cursor === "string" ? { ...filter, cursor } : filter;
      const page = content(await this.api.GET("/v1/users", { params: { query }, signal: signal ?? null }));
      yield* page.users;
      cursor = page.next_cursor;
    } while (typeof cursor === "string");
    signal?.throwIfAborted();
  }

  /**
   * Keeps a copy of all users up to date until the signal aborts or an error cannot be retried.
   *
   * At the first start, and when the position is no longer valid (410), the copy is replaced. The newest change of a
   * user wins: one that is not newer than the stored revision is dropped.
   */
  async followUsers(store: CopyStore, options: FollowOptions = {}): Promise<void> {
    const { signal, wait = 25, listLag = 2_000, onError } = options;
    let isPositionValid = true;
    for (let failures = 0; !signal?.aborted; ) {
      try {
        const cursor = isPositionValid ? await store.cursor() : undefined;
        if (cursor === undefined) {
          await this.#replace(store, listLag, signal);
          isPositionValid = true;
        } else {
          await this.#applyPage(store, cursor, wait, signal);
        }
        failures = 0;
      } catch (error) {
        if (signal?.aborted) {
          return;
        }
        if (!(error instanceof UserServiceError) || !canContinue(error)) {
          throw error;
        }
        if (error.is("cursor_expired", "cursor_lost", "invalid_cursor")) {
          isPositionValid = false;
        }
        onError?.(error);
        await sleep(backoff(failures++), signal);
      }
    }
  }

  async #replace(store: CopyStore, listLag: number, signal?: AbortSignal): Promise<void> {
    const query = { cursor: "now" };
    const now = content(await this.api.GET("/v1/events", { params: { query }, signal: signal ?? null }));
    // A list that is older than the position would miss changes.
    await sleep(listLag, signal);
    signal?.throwIfAborted();
    await store.replace(this.users({ sort: "created_at", limit: 200 }, signal), now.cursor);
  }

  async #applyPage(store: CopyStore, cursor: string, wait: number, signal?: AbortSignal): Promise<void> {
    const started = Date.now();
    const query = { cursor, wait, include: "user" as const };
    const page = content(await this.api.GET("/v1/events", { params: { query }, signal: signal ?? null }));
    const newest = new Map<string, Change>();
    for (const event of page.events) {
      const { revision, user } = event.data;
      // Events about relationships have no revision, and do not change the user.
      if (typeof revision === "number" && revision > (newest.get(event.subject)?.revision ?? 0)) {
        const current = user == null || user.status === "deleted" ? null : user;
        newest.set(event.subject, { id: event.subject, revision, user: current, event });
      }
    }
    const changes: Change[] = [];
    for (const change of newest.values()) {
      if (change.revision > ((await store.revision(change.id)) ?? 0)) {
        changes.push(change);
      }
    }
    signal?.throwIfAborted();
    await store.apply(changes, page.cursor);
    // A replica that stops, or has too many waiting requests, answers at once.
    if (wait > 0 && page.events.length === 0 && !page.has_more && Date.now() - started < 1_000) {
      await sleep(1_000, signal);
    }
  }
}

/** A {@link CopyStore} in memory, for tests and small caches. */
export class MemoryStore implements CopyStore {
  readonly users = new Map<string, User>();
  readonly #revisions = new Map<string, number>();
  #cursor: string | undefined;

  async cursor(): Promise<string | undefined> {
    return this.#cursor;
  }

  async revision(id: string): Promise<number | undefined> {
    return this.#revisions.get(id);
  }

  async replace(users: AsyncIterable<User>, cursor: string): Promise<void> {
    const found: User[] = [];
    for await (const user of users) {
      found.push(user);
    }
    this.users.clear();
    this.#revisions.clear();
    found.forEach((user) => this.users.set(user.id, user));
    this.#cursor = cursor;
  }

  async apply(changes: readonly Change[], cursor: string): Promise<void> {
    for (const { id, revision, user } of changes) {
      this.#revisions.set(id, revision);
      if (user === null) {
        this.users.delete(id);
      } else {
        this.users.set(id, user);
      }
    }
    this.#cursor = cursor;
  }
}

/** Whether a follower continues after an error. */
function canContinue(error: UserServiceError): boolean {
  return (
    error.is("cursor_expired", "cursor_lost", "invalid_cursor") ||
    error.code === "no_response" ||
    [408, 429].includes(error.status) ||
    error.status >= 500
  );
}

function content<T>({ data }: { data?: T }): T {
  if (data === undefined) {
    throw new UserServiceError(0, "unexpected_response", "the response has no body");
  }
  return data;
}

function versioned(result: { data?: unknown; response: Response }): VersionedUser {
  const user = content(result) as User;
  // A script in a browser can be without the header; the version alone is accepted too.
  return { user, etag: result.response.headers.get("ETag") ?? `"${user.version}"` };
}

class Deferred<T> {
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}
