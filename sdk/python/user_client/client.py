"""The calls that most services need, for asyncio."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import httpx

from .core.api.credentials import verify_credentials
from .core.api.events import list_events
from .core.api.lifecycle import delete_user
from .core.api.relationships import follow_user
from .core.api.users import batch_get_users, create_user, get_user, list_users, update_user
from .core.client import AuthenticatedClient
from .core.models import (
    BatchByIds,
    BatchGetResponse,
    CloudEvent,
    EventInclude,
    EventPage,
    Login,
    NewUser,
    SortOrder,
    User,
    UserPage,
    UserPatch,
)
from .core.types import UNSET, Response, Unset
from .transport import Transport, UserServiceError, backoff

BATCH_SIZE = 500
BATCH_WINDOW = 0.002

T = TypeVar("T")


@dataclass(frozen=True)
class VersionedUser:
    """What `UserClient.save` needs to refuse a user that was changed since it was read."""

    user: User
    etag: str


@dataclass(frozen=True)
class Change:
    """A change of a user. `user` is None if it was deleted or erased."""

    id: UUID
    revision: int
    user: User | None
    event: CloudEvent


class CopyStore(Protocol):
    """A copy of users with its position in the event feed. Store both in one transaction if possible."""

    async def cursor(self) -> str | None:
        """Returns the stored position; None at the first start."""

    async def revision(self, id: UUID) -> int | None:
        """Returns the revision of the last change that was applied to a user; None if there was none."""

    async def replace(self, users: AsyncIterator[User], cursor: str) -> None:
        """Replaces the whole copy, its revisions and the position."""

    async def apply(self, changes: Sequence[Change], cursor: str) -> None:
        """Applies changes, at most one of each user, and stores the position."""


class UserClient:
    """A client of the User service.

    `token` is a service token or a JWT, or a function that returns the current one; it is called for every attempt.
    `attempt_timeout` is the number of seconds that one attempt may take. A request that waits for events may take
    `wait` seconds longer. In blocking code it bounds each wait for data, so a slow response can take longer as a whole.
    `retry_for` is the number of seconds for which an operation is repeated. `transport` sends the single requests of
    asyncio, for example through a proxy.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Callable[[], str],
        *,
        attempt_timeout: float = 10.0,
        retry_for: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        sender = Transport(token, retry_for, asynchronous=transport)
        self.core = AuthenticatedClient(
            base_url=base_url.rstrip("/"),
            token="set by the transport",
            timeout=httpx.Timeout(attempt_timeout),
            httpx_args={"transport": sender},
        )
        self._batch: dict[str, asyncio.Future[User | None]] | None = None
        self._loads: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "UserClient":
        await self.core.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.core.__aexit__(None, None, None)

    async def create(self, user: NewUser, *, idempotency_key: str | None = None) -> VersionedUser:
        """Creates a user. A key of your own can survive a restart of your process; the default is a new one."""
        key = UNSET if idempotency_key is None else idempotency_key
        return _versioned(await create_user.asyncio_detailed(client=self.core, body=user, idempotency_key=key))

    async def read(self, id: UUID) -> VersionedUser:
        """Reads a user together with its `ETag`."""
        return _versioned(await get_user.asyncio_detailed(id, client=self.core))

    async def get(self, id: UUID | str) -> User | None:
        """Returns a user, or None if there is none for this caller.

        Calls at the same time share requests of up to 500 users each.
        """
        if self._batch is None:
            self._batch = {}
            load = asyncio.create_task(self._load(self._batch))
            self._loads.add(load)
            load.add_done_callback(self._loads.discard)
        batch, key = self._batch, str(id)
        if key not in batch:
            batch[key] = asyncio.get_running_loop().create_future()
        if len(batch) == BATCH_SIZE:
            self._batch = None
        # Calls for the same user share the future: the cancellation of one of them must not cancel it.
        return await asyncio.shield(batch[key])

    async def _load(self, batch: dict[str, "asyncio.Future[User | None]"]) -> None:
        await asyncio.sleep(BATCH_WINDOW)
        if self._batch is batch:
            self._batch = None
        try:
            body = BatchByIds(ids=list(batch))
            response = await batch_get_users.asyncio_detailed(client=self.core, body=body)
            users = json.loads(response.content)["users"]
            if len(users) != len(batch):
                raise _unexpected(response)
            for waiting, user in zip(batch.values(), users, strict=True):
                waiting.set_result(None if user is None else User.from_dict(user))
        except Exception as error:
            for waiting in batch.values():
                if not waiting.done():
                    waiting.set_exception(error)

    async def save(self, read: VersionedUser, patch: UserPatch) -> VersionedUser:
        """Merges changes into a user (RFC 7396: None clears a field) if it is still as it was read.

        Otherwise raises `PreconditionFailed`: read the user again and decide anew.
        """
        return _versioned(
            await update_user.asyncio_detailed(read.user.id, client=self.core, body=patch, if_match=read.etag)
        )

    async def delete(self, id: UUID, *, erase: bool = False) -> None:
        """Deletes a user; it can be restored for 30 days. With `erase` it is removed permanently."""
        await delete_user.asyncio_detailed(id, client=self.core, erase=True if erase else UNSET)

    async def verify(self, login: Login) -> User:
        """Checks a password. Raises `Unauthorized` with `invalid_credentials` if the login is refused."""
        return _user(await verify_credentials.asyncio_detailed(client=self.core, body=login))

    async def follow(self, id: UUID, target: UUID) -> None:
        """Makes a user follow another one."""
        await follow_user.asyncio_detailed(id, target, client=self.core)

    async def users(self, **filters: Any) -> AsyncIterator[User]:
        """Iterates over all users that match filters, page by page.

        The filters are the arguments of `core.api.users.list_users`.
        """
        cursor: str | Unset = filters.pop("cursor", UNSET)
        while True:
            response = await list_users.asyncio_detailed(client=self.core, cursor=cursor, **filters)
            page = _parsed(UserPage, response)
            for user in page.users:
                yield user
            if not isinstance(page.next_cursor, str):
                return
            cursor = page.next_cursor

    async def follow_users(
        self,
        store: CopyStore,
        *,
        wait: int = 25,
        list_lag: float = 2.0,
        on_error: Callable[[UserServiceError], None] | None = None,
    ) -> None:
        """Keeps a copy of all users up to date until the task is cancelled or an error cannot be retried.

        At the first start, and when the position is no longer valid (410), the copy is replaced. The newest change of a
        user wins: one that is not newer than the stored revision is dropped. `wait` is the number of seconds that a
        request waits for an event, at most 25. `list_lag` is how many seconds old a list can be; only replicas with
        standby databases need it. `on_error` is called for each error after which the loop continues.
        """
        is_position_valid, failures = True, 0
        while True:
            try:
                cursor = await store.cursor() if is_position_valid else None
                if cursor is None:
                    await self._replace(store, list_lag)
                    is_position_valid = True
                else:
                    await self._apply_page(store, cursor, wait)
                failures = 0
            except UserServiceError as error:
                if error.is_code("cursor_expired", "cursor_lost", "invalid_cursor"):
                    is_position_valid = False
                elif error.status not in (0, 408, 429) and error.status < 500:
                    raise
                if on_error is not None:
                    on_error(error)
                await asyncio.sleep(backoff(failures))
                failures += 1

    async def _replace(self, store: CopyStore, list_lag: float) -> None:
        now = _parsed(EventPage, await list_events.asyncio_detailed(client=self.core, cursor="now"))
        # A list that is older than the position would miss changes.
        await asyncio.sleep(list_lag)
        await store.replace(self.users(sort=SortOrder.CREATED_AT, limit=200), now.cursor)

    async def _apply_page(self, store: CopyStore, cursor: str, wait: int) -> None:
        started = time.monotonic()
        response = await list_events.asyncio_detailed(
            client=self.core, cursor=cursor, wait=wait, include=EventInclude.USER
        )
        page = _parsed(EventPage, response)
        changes = []
        for change in _newest(page.events):
            if change.revision > (await store.revision(change.id) or 0):
                changes.append(change)
        await store.apply(changes, page.cursor)
        # A replica that stops, or has too many waiting requests, answers at once.
        if wait > 0 and not page.events and not page.has_more and time.monotonic() - started < 1:
            await asyncio.sleep(1)


class MemoryStore:
    """A `CopyStore` in memory, for tests and small caches."""

    def __init__(self) -> None:
        self.users: dict[UUID, User] = {}
        self._revisions: dict[UUID, int] = {}
        self._cursor: str | None = None

    async def cursor(self) -> str | None:
        return self._cursor

    async def revision(self, id: UUID) -> int | None:
        return self._revisions.get(id)

    async def replace(self, users: AsyncIterator[User], cursor: str) -> None:
        found = {user.id: user async for user in users}
        self.users, self._revisions, self._cursor = found, {}, cursor

    async def apply(self, changes: Sequence[Change], cursor: str) -> None:
        for change in changes:
            self._revisions[change.id] = change.revision
            if change.user is None:
                self.users.pop(change.id, None)
            else:
                self.users[change.id] = change.user
        self._cursor = cursor


def _newest(events: Iterable[CloudEvent]) -> Iterable[Change]:
    """Returns the last change of each user. Events about relationships do not change the user."""
    newest: dict[UUID, Change] = {}
    for event in events:
        revision, user = event.data.revision, event.data.user
        if revision is None or (event.subject in newest and newest[event.subject].revision >= revision):
            continue
        current = None if user is None or user.status == "deleted" else user
        newest[event.subject] = Change(event.subject, revision, current, event)
    return newest.values()


def _parsed(kind: type[T], response: Response[Any]) -> T:
    """Returns the parsed body. The transport has raised an exception for an error response."""
    if isinstance(response.parsed, kind):
        return response.parsed
    raise _unexpected(response)


def _unexpected(response: Response[Any]) -> UserServiceError:
    return UserServiceError(response.status_code, "unexpected_response", "the response is not of the expected type")


def _user(response: Response[Any]) -> User:
    return User.from_dict(json.loads(response.content))


def _versioned(response: Response[Any]) -> VersionedUser:
    user = _user(response)
    return VersionedUser(user, response.headers.get("ETag", f'"{user.version}"'))
