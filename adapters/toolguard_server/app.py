"""The service as one FastAPI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from toolguard.authority import Authority
from toolguard.authority.confirm import Confirming
from toolguard.channels import Connected, Inbound, Mounted
from toolguard.directory import FileDirectory, SecondFactors, TokenFile
from toolguard.ports import Channel
from toolguard_server.closing import Closing
from toolguard_server.credentials import Credentials
from toolguard_server.edge import Edge
from toolguard_server.idempotency import Repeats
from toolguard_server.inbox import Inbox
from toolguard_server.limits import Limits, Visits
from toolguard_server.oidc import Provider, SignIn
from toolguard_server.problems import Problem, install, note
from toolguard_server.rest import router
from toolguard_server.stream import Streams

__all__ = ["LOOPBACK", "create_app"]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def create_app(
    authority: Authority,
    tokens: TokenFile,
    directory: FileDirectory,
    *,
    hosts: Collection[str] = LOOPBACK,
    https: bool = False,
    channels: Sequence[Channel] = (),
    confirming: Confirming | None = None,
    factors: SecondFactors | None = None,
    providers: Sequence[Provider] = (),
    url: str = "",
    chore: Callable[[], None] | None = None,
    sweep_every: float = 2.0,
    limits: Limits | None = None,
    identity: Mapping[str, str] = MappingProxyType({}),
) -> FastAPI:
    """The approval service: REST API, inbox, health, and a sweeper that runs while the app does.

    Args:
        authority: decides; everything here only asks it.
        tokens: who may come in.
        directory: who they are now.
        hosts: the host names the service answers to.
        https: whether visitors come by TLS.
        channels: told about every change; one that is spoken to (`Mounted`) is mounted at its paths.
        confirming: answers guards that ask right before a critical call; without it none is confirmed.
        factors: one-time codes of persons who step up.
        providers: identity providers at which people may sign in; ``url`` is the inbox's public address, which they
            come back to.
        chore: done before every sweep; where it fails, nothing is swept.
        sweep_every: seconds between two sweeps.
        limits: how often anyone may come.
        identity: what `/readyz` says besides, so that a guard can tell which store and version this service is of.

    ``app.state.closing`` is the service's `Closing`: whoever stops it sets that first.
    """
    closing, visits = Closing(), Visits(limits or Limits())
    credentials = Credentials(authority, tokens, directory, factors, providers)
    ways = [
        SignIn(p, redirect=f"{url.rstrip('/')}/signin/with/{p.label}/callback")
        for p in providers
        if p.settings.client_id
    ]
    streams = Streams(authority, closing)
    inbox = Inbox(authority, credentials, https=https, sign_ins=ways, streams=streams, key_of=visits.key)

    def chores() -> None:
        if chore is not None:
            chore()
        authority.tick(channels)

    async def keep_at_it() -> None:
        while True:
            try:
                await run_in_threadpool(chores)
            except Exception as error:  # noqa: BLE001 - a sweep that fails is tried again; expiry does not depend on it
                note(error)
            await asyncio.sleep(sweep_every)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(authority.warm)
        task = asyncio.create_task(keep_at_it())
        connected = [channel for channel in channels if isinstance(channel, Connected)]
        for channel in connected:
            try:
                await run_in_threadpool(channel.start)
            except Exception as error:  # noqa: BLE001 - a channel may fail in any way; approvers have the inbox
                note(error)
        yield
        closing.set()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for channel in connected:
            with contextlib.suppress(Exception):
                await run_in_threadpool(channel.stop)
        for provider in providers:
            provider.close()

    app = FastAPI(
        title="toolguard approvals",
        version="1",
        description="Approvals for tool calls. Errors are problem details (RFC 9457); times are RFC 3339, UTC.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    _say_auth(app)
    install(app, inbox.problem)
    app.state.closing = closing
    app.include_router(router(authority, credentials, confirming, closing, streams, visits.key))
    app.include_router(inbox.routes())
    mounted = {path: channel for channel in channels if isinstance(channel, Mounted) for path in channel.paths}
    for path, channel in mounted.items():
        app.add_api_route(path, _spoken_to(channel), methods=["POST"], include_in_schema=False)

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> dict[str, str]:
        """Store, directory and tokens can be read, and the service is not about to stop."""
        if closing.is_set:
            raise Problem("unavailable", "the service is stopping; ask another one")
        authority.now()
        directory.tenants()
        tokens.entries()
        return {"status": "ready", **identity}

    static = resources.files("toolguard_server") / "static"
    app.mount("/static", StaticFiles(directory=Path(str(static))), name="static")
    repeats = Repeats(authority, credentials)
    app.add_middleware(Edge, hosts=hosts, https=https, raw=frozenset(mounted), visits=visits, repeats=repeats)
    return app


def _say_auth(app: FastAPI) -> None:
    """Let the description say that everything needs a bearer token."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        said = plain()
        said.setdefault("components", {})["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        said["security"] = [{"bearer": []}]
        return said

    app.openapi = described  # type: ignore[method-assign] # the way FastAPI documents


def _spoken_to(channel: Mounted) -> Callable[[Request], Awaitable[Response]]:
    """A channel as a route: its bytes as they came, for it alone to believe or refuse."""

    async def receive(request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        given = Inbound(method=request.method, path=request.url.path, headers=headers, body=await request.body())
        answer = await run_in_threadpool(channel.receive, given)
        return Response(answer.body, status_code=answer.status, media_type=answer.content_type)

    return receive
