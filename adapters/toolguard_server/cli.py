"""``toolguard serve``: the approval service as a process."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn
from fastapi import FastAPI

from toolguard.authority import Authority
from toolguard.authority.confirm import Confirming
from toolguard.channels import Place, open_channels
from toolguard.config import (
    Config,
    RandomIds,
    Sinks,
    SystemClock,
    ageing_of,
    audit_verifier,
    default_detector,
    keeper_of,
    load_config,
    revealer_of,
    segments_of,
    shown,
)
from toolguard.directory import FileDirectory, SecondFactors, TokenFile
from toolguard.errors import ConfigError, ToolguardError
from toolguard.keys import Ed25519Signer, PinnedVerifier, Purpose, SecretKey, read_keys
from toolguard.ports import Sink, Store
from toolguard.register import ALL
from toolguard.stores import open_store
from toolguard.stores.schema import store_mark
from toolguard.witness import Witness
from toolguard_server.app import LOOPBACK, create_app
from toolguard_server.closing import Closing
from toolguard_server.limits import Limits
from toolguard_server.logs import start_logging
from toolguard_server.oidc import open_providers

__all__ = ["serve"]

_GRACE = 5
"""Seconds a request may still take when the service is told to stop."""
_IDLE = 30
"""Seconds an idle connection is kept: longer than clients keep theirs, or one is closed as the next request is sent on it."""


def serve(
    config: Annotated[Path, typer.Option(help="The configuration file.")] = Path("toolguard.toml"),
    host: Annotated[str | None, typer.Option(help="Address to listen on; the one of [service] url by default.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port; the one of [service] url by default, 0: any free one.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of the certificate (PEM).")] = None,
    ready_file: Annotated[
        Path | None, typer.Option(help='Written once the service listens: {"url": …, "pid": …}.')
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests a second by one credential, ten times that at once; 0: no limit.")
    ] = 100.0,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log JSON lines instead of text.")] = False,
) -> None:
    """Run the approval service: REST API and inbox. Exit codes: 0 stopped, 2 wrong usage, 3 it cannot start."""
    start_logging(json_lines=log_json)
    try:
        settings = load_config(config)
        wanted = urlsplit(settings.service.url)
        proxies = _proxies(settings.service.proxies)
        https = tls_cert is not None or (bool(proxies) and wanted.scheme == "https")
        address = host or wanted.hostname or "127.0.0.1"
        _check_exposure(address, tls=tls_cert is not None, key=tls_key)
        store = open_store(settings.store_url, clock=SystemClock())
    except ToolguardError as error:
        typer.echo(f"toolguard: error: {error}", err=True)
        raise typer.Exit(3) from None
    with contextlib.closing(store), contextlib.ExitStack() as delivering:
        try:
            hosts = {address, wanted.hostname or "", *LOOPBACK} - {""}
            sink = _sink(settings, store, delivering)
            app = _assemble(settings, store, sink, delivering, hosts=hosts, https=https, limits=Limits.of(rate))
            listener = _listen(address, wanted.port or 8790 if port is None else port)
        except ToolguardError as error:
            typer.echo(f"toolguard: error: {error}", err=True)
            raise typer.Exit(3) from None
        shown = f"[{address}]" if ":" in address else address
        url = f"{'http' if tls_cert is None else 'https'}://{shown}:{listener.getsockname()[1]}"
        server = _Server(
            uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                ws="none",
                lifespan="on",
                ssl_certfile=tls_cert,
                ssl_keyfile=tls_key,
                timeout_graceful_shutdown=_GRACE,
                timeout_keep_alive=_IDLE,
            ),
            url,
            ready_file,
            app.state.closing,
        )
        signal.signal(
            signal.SIGTERM, lambda *_: None
        )  # uvicorn raises it again once it has stopped; the store is closed then
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    if not server.started:
        raise typer.Exit(3)


def _sink(settings: Config, store: Store, delivering: contextlib.ExitStack) -> Sink:
    """Where the service's records are shown; a pump also delivers what guards on this store left behind."""
    where = shown(settings, store)
    for closer in where.closers:
        delivering.callback(closer)
    return Sinks(where.sinks)


def _assemble(
    settings: Config,
    store: Store,
    sink: Sink,
    running: contextlib.ExitStack,
    *,
    hosts: set[str],
    https: bool,
    limits: Limits,
) -> FastAPI:
    if settings.directory is None or settings.directory.tokens is None:
        raise ConfigError("the service needs to know people: set [directory] file and tokens")
    if settings.service.remote:
        raise ConfigError(
            "this configuration has service.remote, so it is a guard's that has no service here; give the service its own"
        )
    if settings.service.signing_key is None:
        raise ConfigError(
            "the service needs its signing key: set [service] signing_key; 'toolguard keys init' makes one"
        )
    keys = read_keys(_reference(settings, settings.service.signing_key), purpose=Purpose.SIGN)
    signer = Ed25519Signer(keys[-1])
    if signer.public_key.line not in settings.keys.trusted:
        typer.echo(
            "toolguard: warning: the service's own public key is not in [keys] trusted, so guards with this configuration "
            f"will not believe its approvals; add the line 'toolguard keys show {settings.service.signing_key}' prints",
            err=True,
        )
    directory = FileDirectory(settings.at(settings.directory.file))
    tokens = TokenFile(settings.at(settings.directory.tokens), now=SystemClock().now)
    tokens.entries()
    verifier = PinnedVerifier(_public(keys))
    witness = Witness(settings.at(settings.service.witness), store.epoch, audit=audit_verifier(settings))
    witness.note(store, (ALL, *directory.tenants()))
    keeper = keeper_of(settings, store, who="service")
    if keeper is not None:
        running.callback(keeper.close)
    ageing = ageing_of(settings, store)
    if ageing is not None:
        running.callback(ageing.close)
    authority = Authority(
        store,
        directory,
        signer,
        RandomIds(),
        verifier=verifier,
        detector=default_detector(),
        revealer=revealer_of(settings),
        check_store=lambda: witness.check(store),
        sink=sink,
        stamp=None if keeper is None else lambda: keeper.stamp,
        segments=segments_of(settings),
    )
    return create_app(
        authority,
        tokens,
        directory,
        hosts=hosts,
        https=https,
        channels=open_channels(settings.channels, authority, inbox=settings.service.url, folder=settings.folder),
        providers=open_providers(
            settings.oidc,
            lambda name: Place(
                name=name, settings={}, authority=authority, inbox=settings.service.url, folder=settings.folder
            ),
        ),
        url=settings.service.url,
        factors=None
        if settings.directory.second_factors is None
        else SecondFactors(settings.at(settings.directory.second_factors), now=SystemClock().now),
        confirming=Confirming(store, directory, verifier, witness),
        chore=lambda: witness.note(store, (ALL, *directory.tenants())),
        limits=limits,
        identity={"version": version("toolguard-middleware"), "store": store_mark(store.epoch)},
    )


def _public(keys: tuple[SecretKey, ...]) -> list[str]:
    return [Ed25519Signer(key).public_key.line for key in keys]


def _reference(settings: Config, name: str) -> str | Path:
    return name if name.startswith("env:") else settings.at(name.removeprefix("file:"))


_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_SHORTEST = {4: 8, 6: 16}
"""The shortest prefix of a network of proxies, by version: two halves are everybody, too."""


def _proxies(listed: Sequence[str]) -> list[str]:
    """Whose word counts for where a visitor comes from: named machines, never everybody."""
    for each in listed:
        try:
            network = ipaddress.ip_network(each)
            mapped = network.version == 6 and network.overlaps(_MAPPED)  # IPv4 in other clothes
            wide = mapped or network.prefixlen < _SHORTEST[network.version]
        except ValueError:
            raise ConfigError(
                f"service.proxies: {each!r} is no address and no network; write 10.0.0.5 or 10.0.0.0/24"
            ) from None
        if wide:
            raise ConfigError(f"service.proxies: {each!r} is far too many; name the proxies")
    return list(listed)


def _check_exposure(address: str, *, tls: bool, key: Path | None) -> None:
    """Clear text stays on this machine."""
    if tls and key is None:
        raise ConfigError("--tls-cert needs --tls-key; name both or neither")
    if not tls and not _is_loopback(address):
        raise ConfigError(
            f"refusing to listen on {address!r} without TLS: approvals and tokens would travel in clear text; "
            "give --tls-cert and --tls-key, or listen on 127.0.0.1"
        )


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.create_server((address, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {address!r} port {port} ({error.strerror}); choose another with --port"
        ) from None
    # asyncio sends without waiting for acknowledgements only where a socket says its protocol: else each answer takes 40 ms more
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())


class _Server(uvicorn.Server):
    """Says where it is once it listens, and clears that up when it stops."""

    def __init__(self, config: uvicorn.Config, url: str, ready_file: Path | None, closing: Closing) -> None:
        super().__init__(config)
        self._closing = closing
        self._url = url
        self._ready_file = ready_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        if self._ready_file is not None:
            staged = self._ready_file.with_name(f".{self._ready_file.name}.{os.getpid()}")
            staged.write_text(json.dumps({"url": self._url, "pid": os.getpid()}), encoding="utf-8")
            staged.replace(self._ready_file)
        typer.echo(f"approvals: {self._url}/inbox  (stop with Ctrl-C)", file=sys.stderr)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)
        self._closing.set()  # whoever waits or listens is answered now, and not cut off when the grace is over
        await super().shutdown(sockets)
