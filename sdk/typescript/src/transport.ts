/** How a request is sent: the credential, the key of a write, repetitions, and errors as exceptions. */

import { CODES, IDEMPOTENT_WRITES, KEYED_WRITES } from "./contract.js";
import type { components } from "./schema.js";

export type Problem = components["schemas"]["Problem"];
export type FieldError = components["schemas"]["FieldError"];

/** The codes of problems that this version of the package knows. */
export type KnownCode = (typeof CODES)[number];

/** The code of an error. A later release of the service may send codes that are not known here. */
export type ErrorCode = KnownCode | "no_response" | "unexpected_response" | (string & {});

/**
 * An error response, or none.
 *
 * `code` is the one of the problem, or `no_response` if the last attempt had no response (`status` is 0; a write may
 * have been applied), or `unexpected_response` if the response is not one of the service, such as that of a gateway.
 */
export class UserServiceError extends Error {
  override readonly name = "UserServiceError";

  constructor(
    readonly status: number,
    readonly code: ErrorCode,
    message: string,
    /** The body of the response, if it is a problem (RFC 9457). */
    readonly problem?: Problem,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** Whether this is one of some errors. Unlike a comparison with `code`, only known codes compile. */
  is(...codes: KnownCode[]): boolean {
    return codes.some((code) => code === this.code);
  }

  /** The validation errors of a 422, with the location of each. */
  get errors(): readonly FieldError[] {
    return this.problem?.errors ?? [];
  }

  /** The id of the request in the log of the service. */
  get requestId(): string | undefined {
    return this.problem?.request_id;
  }
}

export interface UserClientOptions {
  /** The address of the service, with its base path. */
  baseUrl: string;
  /** A service token or a JWT, or a function that returns the current one. It is called for every attempt. */
  token: string | (() => string | Promise<string>);
  /** How long one attempt may take, in milliseconds; default 10,000. A request that waits for events takes longer. */
  attemptTimeout?: number;
  /** How long an operation is repeated, in milliseconds; default 30,000. */
  retryFor?: number;
  fetch?: (request: Request) => Promise<Response>;
}

const MAX_BACKOFF_MS = 2_000;

export class Transport {
  readonly #options: UserClientOptions;

  constructor(options: UserClientOptions) {
    this.#options = options;
  }

  /** Sends a request until it has a final response. */
  async send(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const headers = new Headers(request.headers);
    const isOneOf = (writes: typeof KEYED_WRITES) =>
      writes.some(([method, path]) => method === request.method && path.test(pathname));
    if (isOneOf(KEYED_WRITES) && !headers.has("Idempotency-Key")) {
      headers.set("Idempotency-Key", newKey());
    }
    const isRead = request.method === "GET" || request.method === "HEAD";
    const body = isRead ? null : await request.arrayBuffer();
    // Without a key, most writes whose response is lost could be applied twice.
    const isRepeatable = isRead || headers.has("Idempotency-Key") || isOneOf(IDEMPOTENT_WRITES);
    const timeout = (this.#options.attemptTimeout ?? 10_000) + 1_000 * (Number(searchParams.get("wait")) || 0);
    const deadline = Date.now() + (this.#options.retryFor ?? 30_000);
    for (let attempt = 0; ; attempt++) {
      headers.set("Authorization", `Bearer ${await this.#token()}`);
      const init: RequestInit = {
        headers,
        body: body?.byteLength ? body : null,
        // The service redirects only browsers. A page to which a gateway redirects is not its response.
        redirect: "manual",
      };
      const outcome = await this.#attempt(new Request(request, init), request.signal, timeout);
      if (outcome instanceof Response && isSuccess(outcome, pathname)) {
        return outcome;
      }
      const error = outcome instanceof Response ? await errorOf(outcome) : outcome;
      const retryAfter = outcome instanceof Response ? Number(outcome.headers.get("Retry-After") ?? 0) * 1_000 : 0;
      const pause = Math.max(retryAfter || 0, backoff(attempt));
      if (!isTemporary(error, isRepeatable) || Date.now() + pause > deadline) {
        throw error;
      }
      await sleep(pause, request.signal);
      request.signal.throwIfAborted();
    }
  }

  /** Sends a request once, and reads the whole response, which can be lost half-way. */
  async #attempt(request: Request, signal: AbortSignal, timeout: number): Promise<Response | UserServiceError> {
    signal.throwIfAborted();
    const controller = new AbortController();
    const abort = () => controller.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const timer = setTimeout(() => controller.abort(new Error(`no response within ${timeout} ms`)), timeout);
    try {
      const response = await (this.#options.fetch ?? fetch)(new Request(request, { signal: controller.signal }));
      const { status, statusText, headers } = response;
      if (response.type === "opaqueredirect") {
        // A browser does not show the status of a redirect, and a Response cannot be made without one.
        return new UserServiceError(0, "unexpected_response", "the response is a redirect");
      }
      const bytes = await response.arrayBuffer();
      return new Response(bytes.byteLength ? bytes : null, { status, statusText, headers });
    } catch (cause) {
      signal.throwIfAborted();
      return new UserServiceError(0, "no_response", `no response: ${String(cause)}`, undefined, { cause });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    }
  }

  async #token(): Promise<string> {
    const { token } = this.#options;
    return typeof token === "string" ? token : await token();
  }
}

/** Whether a response is a success of the service, and not the page of a gateway. */
function isSuccess(response: Response, path: string): boolean {
  if (path.includes("/v1/") && response.body !== null && !hasType(response, "application/json")) {
    return false;
  }
  return response.ok || response.status === 304;
}

/** Whether the same request can have another result soon, and may be repeated. */
function isTemporary({ status, code, problem }: UserServiceError, isRepeatable: boolean): boolean {
  // The service has done nothing. Another sender of a 503, such as a gateway, does not promise that.
  const nothingWasDone = problem !== undefined && [408, 429, 503].includes(status);
  const isUnknown = code === "no_response" || [408, 429, 502, 503, 504].includes(status);
  return nothingWasDone || (isRepeatable && isUnknown);
}

async function errorOf(response: Response): Promise<UserServiceError> {
  const { status } = response;
  const text = await response.text();
  const problem = hasType(response, "application/problem+json") ? problemOf(text, status) : undefined;
  if (problem !== undefined) {
    return new UserServiceError(status, problem.code, `${problem.code}: ${problem.detail}`, problem);
  }
  return new UserServiceError(status, "unexpected_response", `status ${status}: ${text.slice(0, 200)}`);
}

/** Returns the problem in a body; undefined if it is not one of the service. */
function problemOf(text: string, status: number): Problem | undefined {
  try {
    const problem = JSON.parse(text) as Partial<Problem> | null;
    return typeof problem?.code === "string" && problem.status === status ? (problem as Problem) : undefined;
  } catch {
    return undefined;
  }
}

function hasType(response: Response, mediaType: string): boolean {
  const [found = ""] = (response.headers.get("Content-Type") ?? "").split(";");
  return found.trim().toLowerCase() === mediaType;
}

/** The time before a repetition, in milliseconds: random, up to twice as long each time. */
export function backoff(attempt: number): number {
  return Math.random() * Math.min(MAX_BACKOFF_MS, 100 * 2 ** attempt);
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) {
      end();
    }
  });
}

function newKey(): string {
  // Node 18 and pages without TLS do not have it. A key has to be unique, not secret.
  const random = () => Math.random().toString(36).slice(2);
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now().toString(36)}-${random()}-${random()}`;
}
