"""The call that runs right now, as the tool inside it sees it: its id, its credentials, what its references hold."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import BinaryIO

from toolguard._core.frozen import made_fast
from toolguard.credentials import Credential, Keychain
from toolguard.errors import ContentError, CredentialError

__all__ = ["CurrentCall", "acredential", "credential", "current", "current_call"]


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentCall:
    """What a running tool may know of its call. ``idempotency_key`` is the same however often it is tried."""

    id: str
    idempotency_key: str
    keychain: Keychain | None = field(default=None, repr=False, compare=False)
    read: Callable[[str], bytes] | None = field(default=None, repr=False, compare=False)

    def credential(self, name: str) -> Credential:
        """The credential ``name`` of this call; see `toolguard.credential`."""
        if self.keychain is None:
            raise CredentialError(
                "this tool has no credentials; name them under 'credentials' of the tool in the policy"
            )
        return self.keychain.credential(name)

    def reference(self, path: str) -> BinaryIO:
        """What the argument at ``path`` refers to, as a private copy in memory, open for reading.

        For a call that people approved these are the very bytes they approved, whatever has become of the file
        since; a tool that reads them here, and not by its path again, leaves no gap.

        Args:
            path: the argument, dotted (``path``, ``files.0``), as `references` of the policy names it.

        Raises:
            ContentError: the policy names no reader for it, it cannot be read, it is no longer what was
                approved (``content_changed``), or the call has ended.
        """
        if self.read is None:
            raise ContentError(
                "this tool has no references; name them under 'references' of the tool in the policy",
                code="content_not_bound",
            )
        return io.BytesIO(self.read(path))


current: ContextVar[CurrentCall | None] = ContextVar("toolguard_current_call", default=None)


def current_call() -> CurrentCall | None:
    """The guarded call this code runs in, or None."""
    return current.get()


def credential(name: str) -> Credential:
    """The credential ``name`` of the guarded call this code runs in.

    It is acquired when it is first asked for, recorded, and given back when the call ends, however it ends.

    Raises:
        CredentialError: no call executes here, the policy does not give this tool that credential, or its
            provider failed. The tool got nothing.
    """
    call = current.get()
    if call is None:
        raise CredentialError("no guarded call executes here; a credential can be had only inside one")
    return call.credential(name)


async def acredential(name: str) -> Credential:
    """`credential`, in a thread: a provider may wait for a network, and the event loop goes on meanwhile."""
    return await asyncio.to_thread(credential, name)
