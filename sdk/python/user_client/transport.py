"""How a request is sent: the credential, the key of a write, repetitions, and errors as exceptions."""

import asyncio
import json
import random
import re
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from ._contract import IDEMPOTENT_WRITES, KEYED_WRITES, KnownCode

MAX_BACKOFF = 2.0


class UserServiceError(Exception):
    """An error response, or none.

    `code` is the one of the problem, or `no_response` if the last attempt had no response (`status` is 0; a write may
    have been applied), or `unexpected_response` if the response is not one of the service, such as that of a gateway.
    Subclasses are only for problems of the service: the 404 of a gateway is not a `NotFound`. A later release of the
    service may send codes that are not known here.
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
    """429 or 503, after all repetitions: nothing was done by the last attempt."""


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
            except httpx.RequestError as error:
                pause = repetition.after_loss(error)
            else:
                if is_success(request, response):
                    return response
                pause = repetition.after_error(response)
            time.sleep(pause)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        repetition = _Repetition(request, self._retry_for)
        while True:
            self._authorize(request)
            try:
                # The timeouts of httpx bound each wait for data, not their sum.
                async with asyncio.timeout(repetition.attempt_timeout):
                    response = await self._asynchronous.handle_async_request(request)
                    await response.aread()
            except (httpx.RequestError, TimeoutError) as error:
                pause = repetition.after_loss(error)
            else:
                if is_success(request, response):
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
        if _is_one_of(KEYED_WRITES, method, path) and "Idempotency-Key" not in headers:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        # Without a key, most writes whose response is lost could be applied twice.
        self._is_repeatable = (
            method in ("GET", "HEAD")
            or "Idempotency-Key" in headers
            or _is_one_of(IDEMPOTENT_WRITES, method, path)
        )
        # A request that waits for events has no response for so long.
        timeout = request.extensions.get("timeout", {})
        if timeout.get("read") is not None:
            timeout["read"] += float(request.url.params.get("wait", 0))
        self.attempt_timeout: float | None = timeout.get("read")
        self._deadline = time.monotonic() + retry_for
        self._attempt = 0

    def after_loss(self, error: httpx.RequestError | TimeoutError) -> float:
        """Returns the pause before the request is repeated, or raises."""
        failure = UserServiceError(0, "no_response", f"no response: {error!r}")
        return self._pause(self._is_repeatable, failure, error)

    def after_error(self, response: httpx.Response) -> float:
        """Returns the pause before the request is repeated, or raises."""
        error, status = error_of(response), response.status_code
        # The service has done nothing. Another sender of a 503, such as a gateway, does not promise that.
        nothing_was_done = bool(error.problem) and status in (408, 429, 503)
        is_temporary = nothing_was_done or (self._is_repeatable and status in (408, 429, 502, 503, 504))
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


def _is_one_of(writes: Iterable[tuple[str, re.Pattern[str]]], method: str, path: str) -> bool:
    return any(method == write and pattern.search(path) for write, pattern in writes)


def is_success(request: httpx.Request, response: httpx.Response) -> bool:
    """Returns whether a response, which has been read, is a success of the service and not the page of a gateway."""
    if "/v1/" in request.url.path and response.content and not _has_type(response, "application/json"):
        return False
    return response.is_success or response.status_code == 304


def error_of(response: httpx.Response) -> UserServiceError:
    """Returns the exception for a response that is not a success. The response has been read."""
    status, problem = response.status_code, _problem_of(response)
    if problem is not None:
        code = problem["code"]
        return ERRORS.get(status, UserServiceError)(status, code, f"{code}: {problem.get('detail')}", problem)
    text = response.content[:200].decode(errors="replace")
    return UserServiceError(status, "unexpected_response", f"status {status}: {text}")


def _problem_of(response: httpx.Response) -> dict[str, Any] | None:
    """Returns the problem in a response; None if it is not one of the service."""
    if not _has_type(response, "application/problem+json"):
        return None
    try:
        problem = json.loads(response.content)
    except ValueError:
        return None
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        return None
    return problem if problem.get("status") == response.status_code else None


def _has_type(response: httpx.Response, media_type: str) -> bool:
    found: str = response.headers.get("Content-Type", "")
    return found.partition(";")[0].strip().lower() == media_type


def backoff(attempt: int) -> float:
    """Returns the seconds before a repetition: random, up to twice as long each time."""
    return random.uniform(0, min(MAX_BACKOFF, 0.1 * 2 ** min(attempt, 10)))
