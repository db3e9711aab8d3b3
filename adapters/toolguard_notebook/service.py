"""The approval service as a child process on loopback: a process of its own, so that no verdict is given in the kernel."""

from __future__ import annotations

import atexit
import contextlib
from os import PathLike
from types import TracebackType
from typing import Self

import httpx

from toolguard.config import Config, SystemClock, load_config
from toolguard.errors import ConfigError
from toolguard.practice import ServiceProcess
from toolguard.stores import open_store
from toolguard.stores.schema import store_mark

__all__ = ["Service", "start_service"]


class Service:
    """A running approval service. ``url`` is where it listens; ``ours`` whether this process started it."""

    def __init__(self, url: str, process: ServiceProcess | None = None) -> None:
        self.url = url.rstrip("/")
        self._process = process

    @property
    def ours(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The child's process id; None for a service that ran already."""
        return None if self._process is None else self._process.pid

    def stop(self) -> None:
        """End the child process. Safe to call twice; a service that ran already goes on."""
        if self._process is not None:
            self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Service({self.url!r}, {'a child process' if self.ours else 'it ran already'})"

    def _repr_html_(self) -> str:
        from toolguard.display.page import el, page  # only where somebody looks

        inbox, safe = f"{self.url}/inbox", self.url.startswith(("http://", "https://"))
        return str(
            page(
                "Approval service",
                el("p", "Inbox: ", el("a", inbox, href=inbox, target="_blank", rel="noopener") if safe else inbox),
                el("p", "Approvers sign in there with a link of their own: ", el("code", "toolguard people link NAME")),
                tone="info",
                sub="A child process of this kernel, on this machine. Whoever runs as this kernel's user can read its key, so here "
                "nobody is kept apart from anybody: to try, not to work with."
                if self.ours
                else "It ran already.",
            )
        )  # fmt: skip


def start_service(config: str | PathLike[str] = "toolguard.toml", *, wait: float = 60.0) -> Service:
    """The approval service that ``config`` describes: the one that answers at its address, else a new child process.

    The child ends with this process, and not when a cell is interrupted.

    Raises:
        ConfigError: it is not on this machine and does not answer, it does not start, or another installation's service
            listens there: approvers would be led to that one.
    """
    settings = load_config(config)
    url = settings.service.url
    if _answers(url):
        _check_store(settings, url)
        return Service(url)
    process = ServiceProcess(config, wait=wait)
    atexit.register(process.stop)
    return Service(process.url, process)


def _check_store(settings: Config, url: str) -> None:
    if settings.service.remote or settings.store_url == "memory:":
        return
    try:
        found = httpx.get(f"{url.rstrip('/')}/readyz", timeout=5.0).json()
    except (httpx.HTTPError, ValueError):
        found = None
    with contextlib.closing(open_store(settings.store_url, clock=SystemClock())) as store:
        same = isinstance(found, dict) and found.get("store") == store_mark(store.epoch)
    if not same:
        raise ConfigError(
            f"what answers at {url} is not the approval service of this configuration's store, so approvers would be led to "
            "another one; end what listens there, or set [service] url to another port"
        )


def _answers(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url.rstrip('/')}/healthz", timeout=1.0).json() == {"status": "ok"})
    except (httpx.HTTPError, ValueError):
        return False
