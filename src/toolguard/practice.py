"""An installation to practise on: two people, an agent, keys and the approval service, in one folder of one machine.

For demonstrations and notebooks. All of it runs as one user, so nobody is kept apart from anybody: to try, not to work with.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard._core.call import Person
from toolguard.directory import Audience, TokenFile
from toolguard.errors import ConfigError
from toolguard.keys import Ed25519Signer, Purpose, SecretKey, write_key

if TYPE_CHECKING:
    import httpx

__all__ = [
    "AGENT",
    "APPROVER",
    "CONFIG",
    "REQUESTER",
    "ServiceProcess",
    "answer",
    "issue",
    "keep_token",
    "prepare",
    "token_file",
]

AGENT = "ward-assistant"
REQUESTER = "ana.ruiz"
APPROVER = "wei.chen"
CONFIG = "toolguard.toml"
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_TAIL = 500
_DIRECTORY = """\
version: 1
persons:
  - {{id: {asks}, name: Dr Ana Ruiz, identities: [{{issuer: local, tenant: {tenant}, subject: {asks}}}]}}
  - {{id: {decides}, name: Wei Chen, identities: [{{issuer: local, tenant: {tenant}, subject: {decides}}}]}}
groups:
  - {{name: privacy-office, tenant: {tenant}, members: [{asks}, {decides}]}}   # Ana too: and still not for her own
agents:
  - {{name: {agent}, tenant: {tenant}, owners: []}}
services:
  - {{name: {agent}, tenant: {tenant}, agents: [{agent}]}}
"""
_SETTINGS = """\
[guard]
policy = "policy.yaml"
environment = "development"

[store]
url = "sqlite:///toolguard.db"

[keys]
file = "guard.key"
trusted = ["{trusted}"]

[directory]
file = "directory.yaml"
tokens = "tokens.json"

[service]
url = "http://127.0.0.1:{port}"
signing_key = "service.key"

[telemetry]
spans = "off"
"""


def prepare(folder: Path, *, tenant: str, policy: bytes, port: int = 8790) -> Path:
    """Write keys, people, policy and configuration into ``folder``, as ``toolguard init`` would. → the configuration."""
    signing = SecretKey.generate(Purpose.SIGN)
    write_key(folder / "guard.key", SecretKey.generate(Purpose.SEAL))
    write_key(folder / "service.key", signing)
    people = _DIRECTORY.format(asks=REQUESTER, decides=APPROVER, agent=AGENT, tenant=tenant)
    (folder / "directory.yaml").write_text(people, "utf-8")
    (folder / "policy.yaml").write_bytes(policy)
    config = folder / CONFIG
    config.write_text(_SETTINGS.format(trusted=Ed25519Signer(signing).public_key.line, port=port), "utf-8")
    return config


def issue(folder: Path, who: str, *, tenant: str, audience: Audience, lifetime: float | None = None) -> str:
    """A new token's secret, for a person or for the agent's service account; ``lifetime`` in seconds."""
    service = audience is Audience.SERVICE
    identity = None if service else Person(issuer="local", tenant=tenant, subject=who)
    tokens = TokenFile(folder / "tokens.json", now=time.time)
    name = f"service:{who}" if service else who
    return tokens.issue(audience=audience, person=name, identity=identity, tenant=tenant, lifetime=lifetime).secret


def token_file(folder: Path, who: str) -> Path:
    """Where somebody's token lies, for the command line and for processes that answer in their name."""
    return folder / f"{who}.token"


def keep_token(folder: Path, who: str, secret: str) -> None:
    """Put a token where `token_file` says, for this user's eyes alone."""
    path = token_file(folder, who)
    path.touch(mode=0o600)
    path.write_text(secret, "utf-8")


def answer(client: httpx.Client, seen: Mapping[str, Any], said: str, reason: str) -> tuple[int, dict[str, Any]]:
    """Answer an approval as it was ``seen`` at the REST API, as whoever ``client`` is. → HTTP status, what came back."""
    reply = client.post(
        f"/v1/approvals/{seen['id']}/decision",
        headers={"If-Match": f'"{seen["version"]}"'},
        json={
            "answer": said,
            "reason": reason,
            "seen_call_digest": seen["call_digest"],
            "seen_view_digest": seen["view_digest"],
        },
    )
    return reply.status_code, reply.json()


class ServiceProcess:
    """The approval service as a child process, in a session of its own: what interrupts this process does not end it.

    Args:
        port: where it listens on loopback, 0 for any free one; None is as the configuration says.
        wait: seconds it may take to start.

    Attributes:
        url: where it listens.

    Raises:
        ConfigError: it does not start.
    """

    def __init__(self, config: str | PathLike[str], *, port: int | None = None, wait: float = _START_SECONDS) -> None:
        command = [sys.executable, "-m", "toolguard", "serve", "--config", str(config)]
        command += [] if port is None else ["--port", str(port)]
        with tempfile.TemporaryDirectory(prefix="toolguard-") as name:
            ready, log = Path(name) / "ready.json", Path(name) / "service.log"
            with log.open("wb") as said:
                self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                    [*command, "--ready-file", str(ready)],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            try:
                self.url = self._listening(ready, log, wait)
            except BaseException:
                self.stop()
                raise

    def _listening(self, ready: Path, log: Path, wait: float) -> str:
        until = time.monotonic() + wait
        while time.monotonic() < until and self._process.poll() is None:
            if ready.exists():
                return str(json.loads(ready.read_text("utf-8"))["url"]).rstrip("/")
            time.sleep(0.02)
        self.stop()
        told = log.read_text("utf-8", "replace").strip()[-_TAIL:]
        raise ConfigError(f"the approval service did not start: {told or 'no word from it'}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """End it. Safe to call twice."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
