"""``python -m toolguard_notebook.setup FOLDER``: write what a practice ward needs. A process of its own, so that no key
and no token passes through a notebook's kernel."""

from __future__ import annotations

import argparse
import sys
import time
from importlib.resources import files
from pathlib import Path

from toolguard import Person
from toolguard.directory import Audience, TokenFile
from toolguard.keys import Ed25519Signer, Purpose, SecretKey, write_key
from toolguard_notebook.practice import AGENT, APPROVER, REQUESTER, TENANT

__all__ = ["main"]

_DIRECTORY = f"""\
version: 1
persons:
  - {{id: {REQUESTER}, name: Dr Ana Ruiz, identities: [{{issuer: local, tenant: {TENANT}, subject: {REQUESTER}}}]}}
  - {{id: {APPROVER}, name: Wei Chen, identities: [{{issuer: local, tenant: {TENANT}, subject: {APPROVER}}}]}}
groups:
  - {{name: privacy-office, tenant: {TENANT}, members: [{REQUESTER}, {APPROVER}]}}   # Ana too: and still not for her own
agents:
  - {{name: {AGENT}, tenant: {TENANT}, owners: []}}
"""


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("folder", type=Path)
    given.add_argument("--port", type=int, default=8790)
    asked = given.parse_args()
    folder: Path = asked.folder
    if (folder / "toolguard.toml").exists():
        sys.exit(f"{str(folder)!r} holds an installation already; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    signing = SecretKey.generate(Purpose.SIGN)
    write_key(folder / "guard.key", SecretKey.generate(Purpose.SEAL))
    write_key(folder / "service.key", signing)
    (folder / "directory.yaml").write_text(_DIRECTORY, "utf-8")
    (folder / "policy.yaml").write_bytes(files("toolguard_notebook").joinpath("policy.yaml").read_bytes())
    (folder / "toolguard.toml").write_text(_config(Ed25519Signer(signing).public_key.line, asked.port), "utf-8")
    tokens = TokenFile(folder / "tokens.json", now=time.time)
    for who in (REQUESTER, APPROVER):
        identity = Person(issuer="local", tenant=TENANT, subject=who)
        issued = tokens.issue(audience=Audience.DECIDE, person=who, identity=identity, tenant=TENANT)
        path = folder / f"{who}.token"
        path.touch(mode=0o600)
        path.write_text(issued.secret, "utf-8")


def _config(trusted: str, port: int) -> str:
    return f"""\
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


if __name__ == "__main__":
    main()
