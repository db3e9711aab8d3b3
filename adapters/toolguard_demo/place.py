"""The demonstration's own small installation: keys, people, policy and configuration in one folder."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from toolguard import Person
from toolguard.directory import Audience, TokenFile
from toolguard.errors import ConfigError
from toolguard.keys import Ed25519Signer, Purpose, SecretKey, write_key

__all__ = ["AGENT", "APPROVER", "REQUESTER", "TENANT", "Place", "Service", "prepare"]

TENANT = "general"
AGENT = "ward-assistant"
REQUESTER = "ana.ruiz"
APPROVER = "wei.chen"
_START_SECONDS = 30.0
_DIRECTORY = f"""\
version: 1
persons:
  - {{id: {REQUESTER}, name: Dr Ana Ruiz, identities: [{{issuer: local, tenant: {TENANT}, subject: {REQUESTER}}}]}}
  - {{id: {APPROVER}, name: Wei Chen, identities: [{{issuer: local, tenant: {TENANT}, subject: {APPROVER}}}]}}
groups:
  - {{name: privacy-office, tenant: {TENANT}, members: [{REQUESTER}, {APPROVER}]}}   # Ana too: and still not for her own
agents:
  - {{name: {AGENT}, tenant: {TENANT}, owners: []}}
services:
  - {{name: {AGENT}, tenant: {TENANT}, agents: [{AGENT}]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Paths and tokens. ``tokens`` maps a person, or the agent's service account, to its secret."""

    folder: Path
    config: Path
    tokens: dict[str, str]

    @property
    def store_url(self) -> str:
        return f"sqlite:///{self.folder / 'toolguard.db'}"

    def token_file(self, who: str) -> Path:
        """Where a person's token lies, for the command line."""
        return self.folder / f"{who}.token"

    def link(self, who: str, url: str) -> str:
        """A one-time sign-in link for the inbox."""
        return f"{url}/signin#{self._issue(Audience.LINK, who, lifetime=600.0)}"

    def _issue(self, audience: Audience, who: str, *, lifetime: float | None = None) -> str:
        service = audience is Audience.SERVICE
        identity = None if service else Person(issuer="local", tenant=TENANT, subject=who)
        file = TokenFile(self.folder / "tokens.json", now=time.time)
        name = f"service:{who}" if service else who
        return file.issue(audience=audience, person=name, identity=identity, tenant=TENANT, lifetime=lifetime).secret


def prepare(folder: Path) -> Place:
    """Write everything an installation needs, as ``toolguard keys init`` and ``toolguard people token`` would."""
    signing = SecretKey.generate(Purpose.SIGN)
    write_key(folder / "guard.key", SecretKey.generate(Purpose.SEAL))
    write_key(folder / "service.key", signing)
    (folder / "directory.yaml").write_text(_DIRECTORY, "utf-8")
    (folder / "policy.yaml").write_bytes(files("toolguard_demo").joinpath("policy.yaml").read_bytes())
    config = folder / "toolguard.toml"
    config.write_text(
        f"""\
[guard]
policy = "policy.yaml"
environment = "development"

[store]
url = "sqlite:///toolguard.db"

[keys]
file = "guard.key"
trusted = ["{Ed25519Signer(signing).public_key.line}"]

[directory]
file = "directory.yaml"
tokens = "tokens.json"

[service]
url = "http://127.0.0.1:8790"
signing_key = "service.key"

[telemetry]
spans = "off"
""",
        "utf-8",
    )
    place = Place(folder=folder, config=config, tokens={})
    for audience, who in ((Audience.DECIDE, REQUESTER), (Audience.DECIDE, APPROVER), (Audience.SERVICE, AGENT)):
        place.tokens[who] = place._issue(audience, who)
        path = place.token_file(who)
        path.touch(mode=0o600)
        path.write_text(place.tokens[who], "utf-8")
    return place


class Service:
    """The approval service as a child process on loopback, on a free port."""

    def __init__(self, place: Place) -> None:
        self._ready = place.folder / "service.ready"
        self._log = (place.folder / "service.log").open("wb")
        command = [sys.executable, "-m", "toolguard", "serve", "--config", str(place.config), "--port", "0"]
        self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            [*command, "--ready-file", str(self._ready)], stdout=self._log, stderr=subprocess.STDOUT
        )
        try:
            self.url = self._wait()
        except BaseException:
            self.stop()
            raise

    def _wait(self) -> str:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            if self._ready.exists():
                return str(json.loads(self._ready.read_text("utf-8"))["url"])
            time.sleep(0.02)
        self._log.flush()
        said = Path(self._log.name).read_text("utf-8", "replace").strip()[-500:]
        raise ConfigError(f"the approval service did not start: {said or 'no word from it'}")

    def stop(self) -> None:
        """End the child process. Safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
