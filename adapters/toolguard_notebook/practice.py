"""A practice ward: keys, people, policy and service in a folder of their own, for notebooks that are tried on one machine.

The people's tokens are made by another process and lie in files of their own. That keeps them out of this kernel's
memory and output; it is no wall, since all of it runs as one user of one machine.
"""

from __future__ import annotations

import atexit
import contextlib
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from toolguard.errors import ConfigError
from toolguard.practice import AGENT, APPROVER, CONFIG, REQUESTER, token_file
from toolguard_notebook.service import Service, start_service

__all__ = ["TENANT", "Colleague", "Practice", "practice"]

TENANT = "practice"
_SETUP_SECONDS = 60.0
_COLLEAGUE_SECONDS = 120.0


class Colleague:
    """A person who answers, as a process."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def said(self) -> str:
        """What came of it, once it has: the request's state by then, or ``refused:`` and why."""
        told, _ = self._process.communicate(timeout=_COLLEAGUE_SECONDS)
        return told.strip()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate()


class Practice:
    """Where it lies, and who is there: ``ana.ruiz`` asks through an agent, ``wei.chen`` may approve."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / CONFIG
        self.policy = folder / "policy.yaml"
        self.tenant, self.agent, self.requester, self.approver = TENANT, AGENT, REQUESTER, APPROVER
        self._service: Service | None = None
        self._colleagues: list[Colleague] = []

    def service(self) -> Service:
        """The approval service, started once."""
        if self._service is None:
            self._service = start_service(self.config)
        return self._service

    def colleague(
        self,
        answer: str = "approve",
        *,
        who: str = APPROVER,
        reason: str = "Looked at it.",
        after: float = 0.0,
        wait: float = 60.0,
    ) -> Colleague:
        """Let a person answer the next question, as a REST client: in a process of its own, with their own token.

        Args:
            answer: ``approve`` or ``deny``.
            who: ``wei.chen``, or ``ana.ruiz``, who asked and is refused.
            after: seconds to look at it before answering.
            wait: seconds to wait for a question.
        """
        if answer not in ("approve", "deny"):
            raise ConfigError(f"answer is {answer!r}; a person says 'approve' or 'deny'")
        token = token_file(self.folder, who)
        if not token.exists():
            raise ConfigError(f"nobody here is called {who!r}; there are {REQUESTER!r} and {APPROVER!r}")
        command = [sys.executable, "-m", "toolguard_notebook.colleague", self.service().url, str(token)]
        command += ["--answer", answer, "--reason", reason, "--after", str(after), "--wait", str(wait)]
        started = Colleague(command)
        self._colleagues.append(started)
        return started

    def close(self) -> None:
        """End what was started. Safe to call twice."""
        for colleague in self._colleagues:
            colleague.stop()
        self._colleagues.clear()
        if self._service is not None:
            self._service.stop()
            self._service = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Practice({str(self.folder)!r})"


def practice(folder: Path | str | None = None) -> Practice:
    """A practice ward in ``folder``, or in a new one that goes away with this process.

    Raises:
        ConfigError: the folder holds one already, or it cannot be made.
    """
    if folder is None:
        held = tempfile.TemporaryDirectory(prefix="toolguard-practice-", ignore_cleanup_errors=True)
        atexit.register(held.cleanup)
        folder = held.name
    place = Path(folder)
    made = subprocess.run(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", "toolguard_notebook.setup", str(place), "--port", str(_free_port())],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SETUP_SECONDS,
        check=False,
    )
    if made.returncode:
        raise ConfigError(
            f"the practice ward could not be set up: {made.stderr.decode('utf-8', 'replace').strip()[-300:]}"
        )
    ward = Practice(place)
    atexit.register(ward.close)
    return ward


def _free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as found:
        return int(found.getsockname()[1])
