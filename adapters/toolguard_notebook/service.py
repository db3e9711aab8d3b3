"""The approval service as a child process on loopback: a process of its own, so that no verdict is given in the kernel."""

from __future__ import annotations

import atexit
from os import PathLike
from types import TracebackType
from typing import Self

import httpx

from toolguard.config import load_config
from toolguard.practice import ServiceProcess

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

        return str(
            page(
                "Approval service",
                el("p", "Inbox: ", el("a", f"{self.url}/inbox", href=f"{self.url}/inbox", target="_blank", rel="noopener")),
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
        ConfigError: it is not on this machine and does not answer, or it does not start.
    """
    url = load_config(config).service.url
    if _answers(url):
        return Service(url)
    process = ServiceProcess(config, wait=wait)
    atexit.register(process.stop)
    return Service(process.url, process)


def _answers(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url.rstrip('/')}/healthz", timeout=1.0).json() == {"status": "ok"})
    except (httpx.HTTPError, ValueError):
        return False
