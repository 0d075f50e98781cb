"""A script of steps against a running service, and 1,000 creates while responses are lost."""

import asyncio
import inspect
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx

from user_client import Conflict, KnownCode, MemoryStore, UserClient, UserServiceError, VersionedUser
from user_client.core.api.credentials import clear_lockout, set_password
from user_client.core.api.lifecycle import activate_user, suspend_user
from user_client.core.api.relationships import list_followers
from user_client.core.api.tokens import create_token
from user_client.core.api.users import count_users
from user_client.core.models import (
    Login,
    NewPassword,
    NewSuspension,
    NewToken,
    NewUser,
    ProfileFields,
    SortOrder,
    User,
    UserPatch,
)

BASE_URL = os.environ["USERS_URL"]
TOKEN = os.environ["USERS_TOKEN"]
PREFIX = "py"
UNKNOWN = UUID("0199b8f2-7c1e-7000-8000-000000000000")
PASSWORD = "stale lemon 83 kettle"


class CountingTransport(httpx.AsyncHTTPTransport):
    """Counts requests."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        return await super().handle_async_request(request)


class ImpairedTransport(httpx.AsyncHTTPTransport):
    """Replaces the first responses by other ones, or by exceptions."""

    def __init__(self, *firsts: httpx.Response | httpx.TransportError) -> None:
        super().__init__()
        self.firsts = list(firsts)
        self.keys: list[str | None] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.keys.append(request.headers.get("Idempotency-Key"))
        response = await super().handle_async_request(request)
        if not self.firsts:
            return response
        await response.aread()
        first = self.firsts.pop(0)
        if isinstance(first, httpx.Response):
            return first
        raise first


class SlowTransport(httpx.AsyncBaseTransport):
    """Sends a byte of the response now and then, without end."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async def content() -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0.02)
                yield b" "

        return httpx.Response(200, content=content())


def problem(status: int, /, **members: Any) -> httpx.Response:
    headers = {"Content-Type": "application/problem+json"}
    members = {"status": status, "detail": "x", "request_id": "x"} | members
    return httpx.Response(status, headers=headers, json=members)


def unavailable() -> httpx.Response:
    response = problem(503, code="overloaded")
    response.headers["Retry-After"] = "1"
    return response


class ForgetfulStore(MemoryStore):
    """Loses its position once it is told to."""

    is_lost = False

    async def cursor(self) -> str | None:
        return "not-a-cursor" if self.is_lost else await super().cursor()

    async def replace(self, users: AsyncIterator[User], cursor: str) -> None:
        await super().replace(users, cursor)
        self.is_lost = False


def new_user(name: str, **members: Any) -> NewUser:
    members = {"username": f"{PREFIX}-{name}", "email": f"{PREFIX}-{name}@example.org"} | members
    return NewUser(**members)


def profile(**members: str | None) -> UserPatch:
    return UserPatch(profile=ProfileFields.from_dict(members))


async def fails(code: KnownCode, call: Awaitable[object]) -> UserServiceError:
    try:
        await call
    except UserServiceError as error:
        assert error.code == code and error.is_code(code), error
        assert error.request_id
        return error
    raise AssertionError(f"expected {code}")


async def fails_with(code: str, status: int, call: Awaitable[object]) -> None:
    try:
        await call
    except UserServiceError as error:
        assert (error.code, error.status, type(error)) == (code, status, UserServiceError), error
    else:
        raise AssertionError(f"expected {code}")


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


class Steps:
    """The steps, in order, with what they remember."""

    alice: VersionedUser
    bob: VersionedUser
    old: VersionedUser
    crowd: list[User]
    loop: asyncio.Task[None]

    def __init__(self, client: UserClient, requests: list[str]) -> None:
        self.client, self.requests = client, requests
        self.store = ForgetfulStore()

    async def create_a_user(self) -> None:
        self.alice = await self.client.create(new_user("alice", profile=ProfileFields(bio="first")))
        assert self.alice.user.version == 1
        assert re.match('"1-', self.alice.etag)

    async def a_taken_username_is_a_409(self) -> None:
        username = self.alice.user.username
        error = await fails("username_taken", self.client.create(new_user("x", username=username)))
        assert isinstance(error, Conflict)

    async def a_taken_email_is_a_409(self) -> None:
        await fails("email_taken", self.client.create(new_user("x", email=f"{PREFIX}-alice@example.org")))

    async def an_invalid_member_is_a_422_with_its_location(self) -> None:
        user = new_user("x", profile=ProfileFields(website="ftp://x"))
        error = await fails("invalid", self.client.create(user))
        assert error.errors[0]["pointer"] == "/profile/website"

    async def read_returns_the_same_etag(self) -> None:
        assert (await self.client.read(self.alice.user.id)).etag == self.alice.etag

    async def an_unknown_user_is_a_404(self) -> None:
        await fails("user_not_found", self.client.read(UNKNOWN))

    async def save_changes_a_user(self) -> None:
        self.old = self.alice
        self.alice = await self.client.save(self.alice, profile(bio="second"))
        assert self.alice.user.profile.bio == "second"

    async def save_with_an_old_etag_is_a_412(self) -> None:
        await fails("precondition_failed", self.client.save(self.old, profile(bio="third")))

    async def none_clears_a_field(self) -> None:
        self.alice = await self.client.save(self.alice, profile(bio=None))
        assert self.alice.user.profile.bio is None

    async def a_key_of_the_callers_own_is_replayed(self) -> None:
        self.bob = await self.client.create(new_user("bob"), idempotency_key=f"{PREFIX}-1")
        again = await self.client.create(new_user("bob"), idempotency_key=f"{PREFIX}-1")
        assert again.user.id == self.bob.user.id

    async def a_key_for_another_request_is_a_422(self) -> None:
        await fails("idempotency_key_reused", self.client.create(new_user("y"), idempotency_key=f"{PREFIX}-1"))

    async def create_120_users_at_once(self) -> None:
        created = await asyncio.gather(*(self.client.create(new_user(f"crowd{number}")) for number in range(120)))
        self.crowd = [each.user for each in created]

    async def walk_them_in_three_pages(self) -> None:
        self.requests.clear()
        walk = self.client.users(username_prefix=f"{PREFIX}-crowd", limit=50, sort=SortOrder.CREATED_AT)
        assert sorted([user.id async for user in walk]) == sorted(user.id for user in self.crowd)
        assert len(self.requests) == 3

    async def a_hundred_gets_at_once_are_one_batch(self) -> None:
        self.requests.clear()
        ids = [user.id for user in self.crowd[:100]]
        users = await asyncio.gather(*(self.client.get(id) for id in ids))
        assert [user and user.id for user in users] == ids
        assert self.requests == ["POST /v1/users/batch"]

    async def unknown_and_malformed_ids_are_none(self) -> None:
        ids: list[UUID | str] = [UNKNOWN, self.alice.user.id, "x", UNKNOWN]
        users = await asyncio.gather(*(self.client.get(id) for id in ids))
        assert [user and user.id for user in users] == [None, self.alice.user.id, None, None]

    async def a_generated_operation_counts_users_in_blocking_code(self) -> None:
        assert count_of(self.client, f"{PREFIX}-") == 122

    async def set_a_password(self) -> None:
        body = NewPassword(password=PASSWORD)
        await set_password.asyncio_detailed(self.alice.user.id, client=self.client.core, body=body)

    async def verify_it(self) -> None:
        login = Login(identifier=self.alice.user.username, password=PASSWORD)
        assert (await self.client.verify(login)).id == self.alice.user.id

    async def a_wrong_password_is_a_401(self) -> None:
        login = Login(identifier=self.alice.user.username, password="wrong lemon 83")
        await fails("invalid_credentials", self.client.verify(login))

    async def follow_a_user(self) -> None:
        await self.client.follow(self.alice.user.id, self.bob.user.id)

    async def the_follower_is_listed(self) -> None:
        page = (await list_followers.asyncio_detailed(self.bob.user.id, client=self.client.core)).parsed
        assert page is not None
        assert [user["id"] for user in page.to_dict()["users"]] == [str(self.alice.user.id)]

    async def suspend_a_user(self) -> None:
        body = NewSuspension(reason="a reason")
        response = await suspend_user.asyncio_detailed(self.bob.user.id, client=self.client.core, body=body)
        assert isinstance(response.parsed, User) and response.parsed.status == "suspended"

    async def activate_it(self) -> None:
        response = await activate_user.asyncio_detailed(self.bob.user.id, client=self.client.core)
        assert isinstance(response.parsed, User) and response.parsed.status == "active"

    async def a_copy_of_all_users_is_made(self) -> None:
        self.loop = asyncio.create_task(self.client.follow_users(self.store, wait=5, list_lag=0))
        await eventually(lambda: len(self.store.users) >= 122)
        assert self.store.users[self.bob.user.id].username == self.bob.user.username

    async def the_copy_follows_a_change(self) -> None:
        current = await self.client.read(self.alice.user.id)
        self.alice = await self.client.save(current, profile(name="Alice"))
        await eventually(lambda: self.store.users[self.alice.user.id].profile.name == "Alice")

    async def the_copy_follows_a_deletion(self) -> None:
        await self.client.delete(self.bob.user.id)
        await eventually(lambda: self.bob.user.id not in self.store.users)

    async def a_lost_position_makes_a_new_copy(self) -> None:
        self.store.users.clear()
        self.store.is_lost = True
        await self.client.save(await self.client.read(self.alice.user.id), profile(name="Alice again"))
        await eventually(lambda: len(self.store.users) >= 121)

    async def erase_a_user(self) -> None:
        await self.client.delete(self.alice.user.id, erase=True)
        await fails("user_not_found", self.client.read(self.alice.user.id))

    async def the_copy_follows_the_erasure(self) -> None:
        await eventually(lambda: self.alice.user.id not in self.store.users)
        self.loop.cancel()

    async def a_wrong_token_is_a_401(self) -> None:
        async with UserClient(BASE_URL, "wrong") as client:
            await fails("invalid_token", client.read(self.alice.user.id))

    async def a_write_is_repeated_under_its_key(self) -> None:
        firsts: list[httpx.Response | httpx.TransportError] = [httpx.ReadError("lost"), unavailable()]
        for number, first in enumerate(firsts):
            transport = ImpairedTransport(first)
            async with UserClient(BASE_URL, TOKEN, transport=transport) as client:
                await client.create(new_user(f"repeated{number}"))
            assert transport.keys[0] and transport.keys == [transport.keys[0]] * 2

    async def a_long_retry_after_is_an_error_at_once(self) -> None:
        transport = ImpairedTransport(unavailable())
        async with UserClient(BASE_URL, TOKEN, transport=transport, retry_for=0.9) as client:
            await fails("overloaded", client.read(UNKNOWN))
        assert transport.keys == [None]

    async def a_write_without_a_key_is_not_repeated_after_a_lost_response(self) -> None:
        transport = ImpairedTransport(httpx.ReadError("lost"))
        async with UserClient(BASE_URL, TOKEN, transport=transport) as client:
            await fails_with("no_response", 0, create_token.asyncio_detailed(client=client.core, body=new_token("x")))
        assert transport.keys == [None]

    async def an_idempotent_write_without_a_key_is_repeated(self) -> None:
        transport = ImpairedTransport(httpx.ReadError("lost"))
        async with UserClient(BASE_URL, TOKEN, transport=transport) as client:
            await clear_lockout.asyncio_detailed(self.crowd[0].id, client=client.core)
        assert transport.keys == [None, None]

    async def any_write_is_repeated_after_a_408(self) -> None:
        transport = ImpairedTransport(problem(408, code="request_timeout"))
        async with UserClient(BASE_URL, TOKEN, transport=transport) as client:
            await create_token.asyncio_detailed(client=client.core, body=new_token("y"))
        assert transport.keys == [None, None]

    async def responses_of_a_gateway_are_unexpected(self) -> None:
        page = {"Content-Type": "text/html"}
        broken = {"Content-Type": "application/problem+json"}
        for response in (
            httpx.Response(200, headers=page, content="<p>"),
            httpx.Response(302, headers={"Location": f"{BASE_URL}/health/live"}),
            httpx.Response(404, headers=page, content="<p>"),
            httpx.Response(503, headers=broken, content="{"),
            httpx.Response(503, headers=broken, json=[]),
            problem(503),
            problem(503, code=503),
            problem(503, code="overloaded", status=500),
        ):
            transport = ImpairedTransport(response)
            async with UserClient(BASE_URL, TOKEN, transport=transport) as client:
                call = create_token.asyncio_detailed(client=client.core, body=new_token("z"))
                await fails_with("unexpected_response", response.status_code, call)
            assert transport.keys == [None]

    async def a_batch_of_another_length_is_unexpected(self) -> None:
        transport = ImpairedTransport(httpx.Response(200, json={"users": []}))
        async with UserClient(BASE_URL, TOKEN, transport=transport) as client:
            await fails_with("unexpected_response", 200, client.get(UNKNOWN))

    async def a_whole_attempt_has_a_timeout(self) -> None:
        client = UserClient(BASE_URL, TOKEN, transport=SlowTransport(), attempt_timeout=0.1, retry_for=0)
        async with client, asyncio.timeout(5):
            await fails_with("no_response", 0, client.read(UNKNOWN))

    async def a_copy_survives_a_410_and_errors_after_it(self) -> None:
        store, errors = ForgetfulStore(), list[str]()
        store.is_lost = True
        transport = ImpairedTransport(
            problem(410, code="cursor_lost"), problem(500, code="internal"), problem(408, code="request_timeout")
        )
        async with UserClient(BASE_URL, TOKEN, transport=transport, retry_for=0) as client:
            loop = asyncio.create_task(
                client.follow_users(store, wait=1, list_lag=0, on_error=lambda error: errors.append(error.code))
            )
            await eventually(lambda: len(store.users) >= 120)
            loop.cancel()
            await asyncio.wait([loop])
        assert errors == ["cursor_lost", "internal", "request_timeout"]

    async def a_copy_that_is_stopped_before_the_walk_is_unchanged(self) -> None:
        store = MemoryStore()
        transport = CountingTransport()
        async with UserClient(BASE_URL, TOKEN, transport=transport) as client:
            loop = asyncio.create_task(client.follow_users(store, list_lag=60))
            await eventually(lambda: len(transport.requests) == 1)
            await asyncio.sleep(0.1)
            loop.cancel()
            await asyncio.wait([loop])
        assert (len(transport.requests), store.users, await store.cursor()) == (1, {}, None)


def new_token(name: str) -> NewToken:
    return NewToken.from_dict({"name": f"{PREFIX}-{name}", "scopes": ["users:read"]})


def count_of(client: UserClient, prefix: str) -> int:
    response = count_users.sync_detailed(client=client.core, username_prefix=prefix)
    assert response.parsed is not None
    count: int = response.parsed.to_dict()["count"]
    return count


async def create_while_responses_are_lost() -> set[UUID]:
    numbers, ids = iter(range(1_000)), set()
    async with UserClient(os.environ["USERS_LOSSY_URL"], TOKEN) as client:

        async def create() -> None:
            for number in numbers:
                ids.add((await client.create(new_user(f"lost{number}"))).user.id)

        await asyncio.gather(*(create() for _ in range(16)))
    return ids


async def main() -> None:
    transport = CountingTransport()
    async with UserClient(BASE_URL, lambda: TOKEN, transport=transport) as client:
        run = Steps(client, transport.requests)
        steps = [name for name, member in vars(Steps).items() if inspect.iscoroutinefunction(member)]
        for number, name in enumerate(steps, 1):
            try:
                await getattr(run, name)()
            except Exception as error:
                raise RuntimeError(f"step {number}, {name}") from error
        print(f"Python: {len(steps)} steps", flush=True)
        ids = await create_while_responses_are_lost()
        assert (len(ids), count_of(client, f"{PREFIX}-lost")) == (1_000, 1_000)
        print("Python: 1000 creates made 1000 users", flush=True)


asyncio.run(main())
