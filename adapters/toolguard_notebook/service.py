"""The approval service as a child process on loopback: a process of its own, so that no verdict is given in the kernel."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import tempfile
import time
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from toolguard.config import load_config
from toolguard.errors import ConfigError

__all__ = ["Service", "start_service"]

_START_SECONDS = 60.0
_TAIL = 500


class Service:
    """A running approval service. ``url`` is where it listens; ``ours`` whether this process started it."""

    def __init__(self, url: str, process: subprocess.Popen[bytes] | None = None) -> None:
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
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

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


def start_service(config: str | PathLike[str] = "toolguard.toml", *, wait: float = _START_SECONDS) -> Service:
    """The approval service that ``config`` describes: the one that answers at its address, else a new child process.

    The child ends with this process, and not when a cell is interrupted.

    Raises:
        ConfigError: it is not on this machine and does not answer, or it does not start.
    """
    settings = load_config(config)
    url = settings.service.url
    if _answers(url):
        return Service(url)
    with tempfile.TemporaryDirectory(prefix="toolguard-") as name:
        ready, log = Path(name) / "ready.json", Path(name) / "service.log"
        with log.open("wb") as said:
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [sys.executable, "-m", "toolguard", "serve", "--config", str(config), "--ready-file", str(ready)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # interrupting a cell signals the kernel's whole group
            )
        service = Service(url, process)
        atexit.register(service.stop)
        until = time.monotonic() + wait
        while time.monotonic() < until and process.poll() is None:
            if ready.exists():
                service.url = str(json.loads(ready.read_text("utf-8"))["url"])
                return service
            time.sleep(0.02)
        service.stop()
        told = log.read_text("utf-8", "replace").strip()[-_TAIL:]
    raise ConfigError(f"the approval service did not start: {told or 'no word from it'}")


def _answers(url: str) -> bool:
    try:
        return bool(httpx.get(f"{url.rstrip('/')}/healthz", timeout=1.0).json() == {"status": "ok"})
    except (httpx.HTTPError, ValueError):
        return False
