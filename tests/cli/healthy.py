"""An installation with nothing wrong in it, to plant faults in; and what answers at addresses."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from toolguard.directory import Audience, FileDirectory, TokenFile
from toolguard.health import Finding, Level, examine
from toolguard.keys import PolicySigner, PolicyStatement, PublicKey, Purpose, SecretKey, write_key
from toolguard.policyfile import load_policy
from toolguard.stores import open_store

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1, owner: privacy-office@general.example}
approvals:
  default: {approvers: ["group:privacy-office"], quorum: 1, expires: 1h}
tools:
  find_patient: {source: "ward.tools:*", risk: low, trusted_for: [PERSON, MRN]}
  export_cohort: {risk: high, args: {cohort: pass}, decisive: [cohort]}
rules:
  - id: no-everything
    because: "Nobody exports every record at once."
    match: {tool: export_cohort}
    when: args.cohort == "*"
    effect: deny
"""
DIRECTORY = """\
version: 1
persons:
  - {id: ana, name: Ana, identities: [{issuer: local, tenant: general, subject: ana}]}
  - {id: wei, name: Wei, identities: [{issuer: local, tenant: general, subject: wei}]}
  - {id: bo, name: Bo, identities: [{issuer: local, tenant: general, subject: bo}]}
groups:
  - {name: privacy-office, tenant: general, members: [wei, bo]}
agents:
  - {name: ward-assistant, tenant: general, owners: [ana]}
services:
  - {name: ward-guard, tenant: general, agents: [ward-assistant]}
"""
ALWAYS = {"separation.waived"}
"""What is so wherever one user runs the tests: duties are not apart, and this installation says so itself."""


@dataclass
class Home:
    """The folder, and the lines of its ``toolguard.toml`` by section and key."""

    folder: Path
    toml: dict[str, dict[str, Any]]

    @property
    def file(self) -> Path:
        return self.folder / "toolguard.toml"

    def at(self, name: str) -> Path:
        return self.folder / name

    def set(self, section: str, **values: Any) -> None:
        self.toml.setdefault(section, {}).update(values)
        self.toml[section] = {k: v for k, v in self.toml[section].items() if v is not None}
        self.write()

    def write(self) -> None:
        lines = []
        for section, values in self.toml.items():
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self.file.write_text("\n".join(lines) + "\n", "utf-8")

    def sign(self, *, policy: str | None = None, author: str = "ana") -> None:
        """Write the policy (if another is given) and have it signed."""
        if policy is not None:
            self.at("policy.yaml").write_text(policy, "utf-8")
        loaded = load_policy(self.at("policy.yaml"))
        statement = PolicyStatement(
            policy=loaded.id, version=loaded.version, sha256=loaded.sha256, author=author, signer="wei", at=int(time.time())
        )  # fmt: skip
        self.at("policy.yaml.sig").write_bytes(PolicySigner.load(self.at("wei.key")).sign(statement))

    def look(self, **more: Any) -> tuple[Finding, ...]:
        return examine(self.file, **{"online": False, **more})

    def wrong(self, **more: Any) -> set[str]:
        """The codes of everything that is not in order, beyond `ALWAYS`."""
        return {f.code for f in self.look(**more) if f.level is not Level.OK} - ALWAYS


def healthy(folder: Path) -> Home:
    """A signed policy, keys, an audit anchor elsewhere, two approvers with tokens, a store with the right schema."""
    lines = {}
    for name, purpose in (("guard", "SEAL"), ("service", "SIGN"), ("audit", "AUDIT"), ("wei", "POLICY")):
        key = SecretKey.generate(Purpose[purpose])
        write_key(folder / f"{name}.key", key)
        lines[name] = PublicKey.of(key).line if purpose != "SEAL" else ""
    (folder / "directory.yaml").write_text(DIRECTORY, "utf-8")
    (folder / "directory.yaml").chmod(0o600)
    tokens = TokenFile(folder / "tokens.json", now=time.time)
    known = FileDirectory(folder / "directory.yaml")
    for person in ("wei", "bo"):
        found = known.find(person)
        assert found is not None
        tokens.issue(audience=Audience.DECIDE, person=person, identity=found.identities[0], tenant="general")
    service = tokens.issue(audience=Audience.SERVICE, person="service:ward-guard", identity=None, tenant="general")
    _private(folder / "service.token", service.secret)
    (folder / "elsewhere").mkdir()
    with closing(open_store(f"sqlite:///{folder}/t.db")):
        pass
    home = Home(
        folder,
        {
            "guard": {"policy": "policy.yaml"},
            "policy.trusted": {"wei": lines["wei"]},
            "store": {"url": "sqlite:///t.db"},
            "keys": {"file": "guard.key", "trusted": [lines["service"]]},
            "directory": {"file": "directory.yaml", "tokens": "tokens.json"},
            "service": {"signing_key": "service.key", "token": "service.token", "separation": "waived"},
            "telemetry": {"spans": "off"},
            "audit": {
                "signing_key": "audit.key",
                "trusted": [lines["audit"]],
                "anchors": ["elsewhere/toolguard.anchor"],
            },
        },
    )
    home.write()
    home.sign(policy=POLICY)
    return home


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "ascii")


# --- what answers -----------------------------------------------------------------------------------------


@contextmanager
def answering(answers: Mapping[str, tuple[int, str, bytes]]) -> Iterator[str]:
    """A server on loopback: path → status, content type, body. Its address stands for ``@`` in a body."""
    base = ""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, kind, body = answers.get(self.path, (404, "text/plain", b"no"))
            body = body.replace(b"@", base.encode())
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield base
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def files(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file with its mode, its time and what is in it."""
    return {
        str(p.relative_to(folder)): (p.stat().st_mode, p.stat().st_mtime_ns, p.read_bytes())
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }
