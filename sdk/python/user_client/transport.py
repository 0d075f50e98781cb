"""How a request is sent: the credential, the key of a write, repetitions, and errors as exceptions."""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from ._contract import IDEMPOTENT_WRITES, KnownCode

MAX_BACKOFF = 2.0


class UserServiceError(Exception):
    """An error response, or none.

    `code` is the one of the problem, or `no_response` if the last attempt had no response (`status` is 0; a write may
    have been applied), or `unexpected_response` if the response is not one of the service, such as that of a gateway.
    A later release of the service may send codes that are not known here.
    """

    def __init__(self, status: int, code: str, message: str, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.problem = problem or {}

    def is_code(self, *codes: KnownCode) -> bool:
        """Returns whether this is one of some errors. Type checkers accept known codes only."""
        return self.code in codes

    @property
    def errors(self) -> list[dict[str, str]]:
        """The validation errors of a 422: `pointer` or `parameter`, `code` and `detail` of each."""
        errors: list[dict[str, str]] = self.problem.get("errors", [])
        return errors

    @property
    def request_id(self) -> str | None:
        """The id of the request in the log of the service."""
        return self.problem.get("request_id")


class Unauthorized(UserServiceError):
    """401: the credential is missing or was refused."""


class Forbidden(UserServiceError):
    """403: the caller may not do this."""


class NotFound(UserServiceError):
    """404: there is no such user for this caller."""


class Conflict(UserServiceError):
    """409: a value is taken."""


class PreconditionFailed(UserServiceError):
    """412: the user was changed since it was read."""


class InvalidRequest(UserServiceError):
    """422: see `errors`."""


class Unavailable(UserServiceError):
    """429 or 503, also after all repetitions."""


ERRORS: dict[int, type[UserServiceError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    422: InvalidRequest,
    429: Unavailable,
    503: Unavailable,
}


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends a request until it has a final response. For blocking code and for asyncio."""

    def __init__(
        self,
        token: str | Callable[[], str],
        retry_for: float,
        blocking: httpx.BaseTransport | None = None,
        asynchronous: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._token = token
        self._retry_for = retry_for
        self._blocking = blocking or httpx.HTTPTransport()
        self._asynchronous = asynchronous or httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        repetition = _Repetition(request, self._retry_for)
        while True:
            self._authorize(request)
            try:
                response = self._blocking.handle_request(request)
                response.read()  # The response can be lost half-way.
            except httpx.TransportError as error:
                pause = repetition.after_loss(error)
            else:
                if response.status_code < 400:
                    return response
                pause = repetition.after_error(response)
            time.sleep(pause)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        repetition = _Repetition(request, self._retry_for)
        while True:
            self._authorize(request)
            try:
                response = await self._asynchronous.handle_async_request(request)
                await response.aread()
            except httpx.TransportError as error:
                pause = repetition.after_loss(error)
            else:
                if response.status_code < 400:
                    return response
                pause = repetition.after_error(response)
            await asyncio.sleep(pause)

    def close(self) -> None:
        self._blocking.close()

    async def aclose(self) -> None:
        await self._asynchronous.aclose()

    def _authorize(self, request: httpx.Request) -> None:
        token = self._token if isinstance(self._token, str) else self._token()
        request.headers["Authorization"] = f"Bearer {token}"


class _Repetition:
    """Decides whether and when a request is repeated."""

    def __init__(self, request: httpx.Request, retry_for: float) -> None:
        method, path, headers = request.method, request.url.path, request.headers
        takes_key = any(method == write and pattern.search(path) for write, pattern in IDEMPOTENT_WRITES)
        if takes_key and "Idempotency-Key" not in headers:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        # Without a key, a write whose response is lost could be applied twice.
        self._is_repeatable = (
            method in ("GET", "HEAD") or "Idempotency-Key" in headers or path.endswith("/v1/users/batch")
        )
        # A request that waits for events has no response for so long.
        timeout = request.extensions.get("timeout", {})
        if timeout.get("read") is not None:
            timeout["read"] += float(request.url.params.get("wait", 0))
        self._deadline = time.monotonic() + retry_for
        self._attempt = 0

    def after_loss(self, error: httpx.TransportError) -> float:
        """Returns the pause before the request is repeated, or raises."""
        failure = UserServiceError(0, "no_response", f"no response: {error!r}")
        return self._pause(self._is_repeatable, failure, error)

    def after_error(self, response: httpx.Response) -> float:
        """Returns the pause before the request is repeated, or raises."""
        error, status = error_of(response), response.status_code
        # The service has done nothing. Another sender of a 503, such as a gateway, does not promise that.
        nothing_was_done = bool(error.problem) and status in (429, 503)
        is_temporary = nothing_was_done or (self._is_repeatable and status in (429, 502, 503, 504))
        retry_after = response.headers.get("Retry-After", "")
        return self._pause(is_temporary, error, None, float(retry_after) if retry_after.isdigit() else 0.0)

    def _pause(
        self, is_temporary: bool, error: UserServiceError, cause: Exception | None, retry_after: float = 0.0
    ) -> float:
        pause = max(retry_after, backoff(self._attempt))
        if not is_temporary or time.monotonic() + pause > self._deadline:
            raise error from cause
        self._attempt += 1
        return pause


def error_of(response: httpx.Response) -> UserServiceError:
    """Returns the exception for an error response, which has been read."""
    status = response.status_code
    kind = ERRORS.get(status, UserServiceError)
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        problem = json.loads(response.content)
        return kind(status, problem["code"], f"{problem['code']}: {problem['detail']}", problem)
    text = response.content[:200].decode(errors="replace")
    return kind(status, "unexpected_response", f"status {status}: {text}")


def backoff(attempt: int) -> float:
    """Returns the seconds before a repetition: random, up to twice as long each time."""
    return random.uniform(0, min(MAX_BACKOFF, 0.1 * 2 ** min(attempt, 10)))
