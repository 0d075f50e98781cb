"""A client of the User service.

`UserClient` has the calls that most services need, for asyncio. Every operation of the API is in
`user_client.core.api`, generated from the OpenAPI document, for asyncio and for blocking code: pass `UserClient.core`
as `client`. All requests pass the same transport, so generated operations are repeated in the same way and raise the
same errors.
"""

from ._contract import KnownCode
from .client import Change, CopyStore, MemoryStore, UserClient, VersionedUser
from .transport import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    Unauthorized,
    Unavailable,
    UserServiceError,
)

__all__ = [
    "Change",
    "Conflict",
    "CopyStore",
    "Forbidden",
    "InvalidRequest",
    "KnownCode",
    "MemoryStore",
    "NotFound",
    "PreconditionFailed",
    "Unauthorized",
    "Unavailable",
    "UserClient",
    "UserServiceError",
    "VersionedUser",
]
