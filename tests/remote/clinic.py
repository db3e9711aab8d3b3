"""A hospital whose guard has no database of the service: the real service in process, the real guard, a wire between."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from authority.ward import Ids, Ward, human
from server.process import Wall
from server.visitors import Visitors
from toolguard import Caller, Guard
from toolguard._core.approval import Answer, Approval, State
from toolguard.authority.confirm import Confirming
from toolguard.directory import Audience
from toolguard.errors import ServiceError
from toolguard.guard.session import Session
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.ports import Clock, Store
from toolguard.remote import Link, RemoteStore
from toolguard.stores import open_store
from toolguard.testing import NoDetector
from toolguard.witness import Witness
from toolguard_server import create_app

URL = "http://127.0.0.1:8790"
POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: tests, version: 1, owner: privacy@general.example}
defaults: {by_risk: {critical: require_approval}}
approvals:
  default: {approvers: ["group:privacy-officers"], quorum: 1, expires: 1h}
tools:
  lookup: {risk: low}
  export: {risk: high, decisive: [path]}
  wipe: {risk: critical}
"""

Tamper = Callable[[httpx.Request, httpx.Response], httpx.Response]


class Wire(httpx.AsyncBaseTransport):
    """The network: a test can cut it, hear it and lie on it."""

    def __init__(self, app: Any, clinic: Clinic) -> None:
        self._inner = httpx.ASGITransport(app)
        self._clinic = clinic

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        clinic, path = self._clinic, request.url.path
        clinic.heard.append((request.method, path))
        clinic.bodies.append(await request.aread())
        if any(part in path for part in clinic.cut):
            raise httpx.ConnectError("no route to host")
        for part in [part for part in clinic.before if part in path]:
            clinic.before.pop(part)()
        if any(part in path for part in clinic.slow):
            await asyncio.sleep(1.0)
        response = await self._inner.handle_async_request(request)
        content = await response.aread()
        if any(part in path for part in clinic.lost):
            raise httpx.ReadError("connection reset")
        response = httpx.Response(response.status_code, headers=response.headers, content=content)
        for part, lie in clinic.lies:
            if part in path:
                response = lie(request, response)
                assert isinstance(response.stream, httpx.ByteStream)
                content = b"".join(response.stream)
        return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(content))


class Clinic:
    """``ward`` is the service's side; `guard` makes the other side, which shares nothing with it but the directory file."""

    def __init__(self, folder: Path, *, clock: Clock | None = None) -> None:
        (folder / "ward").mkdir(exist_ok=True)
        self.folder = folder
        self.ward = Ward(folder / "ward", time=Wall())
        self.visitors = Visitors(self.ward)
        self.clock = clock or Wall()
        self.keys = KeyRing([SecretKey.generate(Purpose.SEAL)])
        self.cut: set[str] = set()
        self.lost: set[str] = set()
        self.slow: set[str] = set()
        self.lies: list[tuple[str, Tamper]] = []
        self.before: dict[str, Callable[[], None]] = {}
        self.heard: list[tuple[str, str]] = []
        self.bodies: list[bytes] = []
        self.ran: list[Any] = []
        witness = Witness(folder / "witness", self.ward.store.epoch)
        confirming = Confirming(self.ward.store, self.ward.directory, self.ward.verifier, witness)
        self.app = create_app(self.ward.authority, self.ward.tokens, self.ward.directory, confirming=confirming)
        self.token = self.visitors.secret("ward-guard", Audience.SERVICE)
        self._guards: list[Guard] = []
        (folder / "policy.yaml").write_text(POLICY, "utf-8")

    def local(self) -> Store:
        return open_store(f"sqlite:///{self.folder / 'guard.db'}", self.clock)

    def store(self, local: Store | None = None, *, token: str | None = None, **more: Any) -> RemoteStore:
        link = Link(URL, self.token if token is None else token, seconds=20.0, transport=lambda: Wire(self.app, self))
        given = {"verifier": self.ward.verifier, "clock": self.clock, "ids": Ids(), "within": 60.0, **more}
        return RemoteStore(local or self.local(), link, **given)

    def guard(self, store: RemoteStore | None = None, **parts: Any) -> Guard:
        store = store or self.store()
        given: dict[str, Any] = {
            "store": store,
            "keys": self.keys,
            "directory": self.ward.folder / "directory.yaml",
            "trusted": (self.ward.signer.public_key.line,),
            "environment": "development",
            "detector": NoDetector(),
            "clock": self.clock,
            "confirm": store.claim,
            "remote": True,
            "wait": 30.0,  # nobody who waits for a person gives up because the machine is busy
            **parts,
        }
        guard = Guard(self.folder / "policy.yaml", **given)
        store.begin()
        self._guards.append(guard)
        return guard

    def session(self, guard: Guard, **more: Any) -> Session:
        return guard.session(
            caller=Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys"), run="run-1", **more
        )

    def export(self, path: str) -> str:
        """Write an export."""
        self.ran.append(path)
        return "written"

    def lookup(self, name: str) -> str:
        """Look somebody up."""
        self.ran.append(name)
        return "found"

    def wipe(self, path: str) -> str:
        """Delete everything."""
        self.ran.append(path)
        return "gone"

    def heard_of(self, session: Session) -> None:
        """Make an allowed call, as soon as the guard has heard of the service."""
        until = time.monotonic() + 30
        for n in itertools.count():
            try:
                session.call(self.lookup, {"name": "x"}, call_id=f"heard-{n}")
            except ServiceError:
                if time.monotonic() > until:
                    break
                time.sleep(0.02)
            else:
                return
        raise AssertionError("the service was never heard of")

    # --- the service's side

    def waiting(self) -> Approval:
        """The one approval at the service."""
        (found,) = self.ward.store.list("st-marys")
        return found

    def say(self, answer: Answer, approval: Approval | None = None, who: str = "ada") -> None:
        self.ward.decide(human(who), approval or self.waiting(), answer)

    def answering(self, answer: Answer, who: str = "ada") -> threading.Thread:
        """A person who answers as soon as there is something."""

        def look() -> None:
            end = time.monotonic() + 30
            while time.monotonic() < end:
                if open_ := self.ward.store.list("st-marys", states=(State.PENDING,)):
                    self.say(answer, open_[0], who)
                    return
                time.sleep(0.01)

        thread = threading.Thread(target=look)
        thread.start()
        return thread

    def close(self) -> None:
        for guard in self._guards:
            guard.close()
        self.ward.store.close()


__all__ = ["POLICY", "URL", "Clinic", "Wire"]
