"""The real service as a process, with TLS; guards from a configuration file; a person who decides through REST; `kill -9`."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from openai import DefaultHttpxClient, OpenAI

from server.process import configure, start, stop, wait_for
from server.visitors import Visitors
from toolguard import Caller, Guard
from toolguard.directory import Audience
from toolguard.errors import ConfigError, ServiceError, ToolguardError
from toolguard.journal import verify
from toolguard.keys import Purpose, SecretKey, write_key
from toolguard.stores import open_store
from toolguard.testing.openai_server import OpenAIServer, in_turn
from toolguard.testing.openai_wire import Use, say, use
from toolguard_langchain import guard_tools
from toolguard_openai import ToolBox, guard_client

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: tests, version: 1, owner: privacy@general.example}
approvals:
  default: {approvers: ["group:privacy-officers"], expires: 1h}
tools:
  look: {risk: low}
  export: {risk: high, decisive: [path]}
"""
RUIZ = Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys")


def certificate(folder: Path) -> None:
    """An authority, and a server's certificate of it for this machine."""
    now = dt.datetime.now(dt.UTC)

    def made(name: str, issuer: str, key: Any, signer: Any, ca: bool) -> x509.Certificate:
        def named(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
        )
        return builder.sign(signer, hashes.SHA256())

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(made("ca", "ca", authority, authority, True).public_bytes(pem))
    (folder / "cert.pem").write_bytes(made("127.0.0.1", "ca", key, authority, False).public_bytes(pem))
    (folder / "cert.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@dataclass
class Site:
    """One service and how to reach it."""

    folder: Path
    url: str
    trusted: str
    visitors: Visitors
    client: httpx.Client
    process: subprocess.Popen[str]

    def configuration(self, folder: Path, **service: str) -> Path:
        """A guard's folder: its own key, store and token; of the service's only the directory and the public key."""
        folder.mkdir(exist_ok=True)
        (folder / "policy.yaml").write_text(POLICY)
        (folder / "directory.yaml").write_text((self.folder / "directory.yaml").read_text())
        write_key(folder / "guard.key", SecretKey.generate(Purpose.SEAL))
        (folder / "service.token").write_text(self.visitors.secret("ward-guard", Audience.SERVICE) + "\n")
        values = {"url": self.url, "ca": str(self.folder / "ca.pem"), "token": "service.token", **service}
        lines = "\n".join(f'{name} = "{value}"' for name, value in values.items() if value)
        (folder / "toolguard.toml").write_text(
            '[guard]\npolicy = "policy.yaml"\nenvironment = "development"\nwait = 60\nlease = 10\n'
            '[store]\nurl = "sqlite:///guard.db"\n'
            f'[keys]\nfile = "guard.key"\ntrusted = ["{self.trusted}"]\n'
            '[directory]\nfile = "directory.yaml"\n'
            f"[service]\nremote = true\n{lines}\n"
        )
        return folder / "toolguard.toml"

    def approvals(self, **query: Any) -> list[dict[str, Any]]:
        reply = self.client.get("/v1/approvals", params=query, headers=self.visitors.bearer("ada"))
        found: list[dict[str, Any]] = reply.raise_for_status().json()["items"]
        return found

    def approve(self, approval: dict[str, Any]) -> None:
        body = {
            "answer": "approve",
            "reason": "checked with the ward",
            "seen_call_digest": approval["call_digest"],
            "seen_view_digest": approval["view_digest"],
        }
        headers = {**self.visitors.bearer("ada"), "If-Match": f'"{approval["version"]}"'}
        self.client.post(f"/v1/approvals/{approval['id']}/decision", json=body, headers=headers).raise_for_status()

    def approving(self) -> threading.Thread:
        """A person who says yes to whatever comes next."""

        def look() -> None:
            until = time.monotonic() + 60
            while time.monotonic() < until:
                if waiting := self.approvals(state="pending"):
                    self.approve(waiting[0])
                    return
                time.sleep(0.05)

        thread = threading.Thread(target=look)
        thread.start()
        return thread

    def state(self, approval: str) -> str:
        reply = self.client.get(f"/v1/approvals/{approval}", headers=self.visitors.bearer("ada"))
        return str(reply.raise_for_status().json()["state"])

    def until(self, approval: str, *states: str) -> None:
        deadline = time.monotonic() + 120
        while (now := self.state(approval)) not in states:
            assert time.monotonic() < deadline, now
            time.sleep(0.1)


def serving(folder: Path, tls: Path) -> Iterator[Site]:
    ward = configure(folder)
    for name in ("ca.pem", "cert.pem", "cert.key"):
        (folder / name).write_bytes((tls / name).read_bytes())
    process = start(
        folder, "--port", "0", "--ready-file", str(folder / "ready.json"),
        "--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "cert.key"),
    )  # fmt: skip
    url = wait_for(process, folder)
    trusted = ssl.create_default_context(cafile=folder / "ca.pem")
    with httpx.Client(base_url=url, verify=trusted, timeout=60) as client:
        yield Site(folder, url, ward.signer.public_key.line, Visitors(ward), client, process)
    assert "Traceback" not in stop(process)
    ward.store.close()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tls: Path) -> Iterator[Site]:
    yield from serving(tmp_path_factory.mktemp("service"), tls)


@pytest.fixture(scope="module")
def impostor(tmp_path_factory: pytest.TempPathFactory, tls: Path) -> Iterator[Site]:
    """Another service, with the same certificate and tokens of its own: all but the signing key."""
    yield from serving(tmp_path_factory.mktemp("impostor"), tls)


RAN: list[str] = []


def export(path: str) -> str:
    """Write an export."""
    RAN.append(path)
    return "written"


def look(name: str) -> str:
    """Look somebody up."""
    RAN.append(name)
    return "found"


@pytest.fixture
def guard(site: Site, tmp_path: Path) -> Iterator[Guard]:
    RAN.clear()
    with Guard.from_config(site.configuration(tmp_path / "guard")) as guard:
        yield guard


def test_a_langchain_tool_waits_for_a_person_elsewhere(site: Site, guard: Guard) -> None:
    tools = guard_tools([export, look], guard=guard)
    with guard.session(caller=RUIZ, run="chain"):
        assert "found" in str(
            tools[1].invoke({"name": "look", "args": {"name": "x"}, "id": "l-1", "type": "tool_call"})
        )
        person = site.approving()
        message = tools[0].invoke({"name": "export", "args": {"path": "/out/a"}, "id": "c-1", "type": "tool_call"})
        person.join()
    assert "written" in str(message.content)
    assert RAN == ["x", "/out/a"]
    site.until(site.approvals()[0]["id"], "executed")


def test_a_run_of_openais_tools_waits_for_a_person_elsewhere(site: Site, guard: Guard) -> None:
    server = OpenAIServer(in_turn(use(Use("export", {"path": "/out/b"})), say("Done."))).start()
    with (
        DefaultHttpxClient(verify=False) as web,
        guard.session(caller=RUIZ, run="openai"),
    ):
        client = guard_client(
            OpenAI(base_url=server.base_url, api_key="test", max_retries=0, http_client=web), guard=guard
        )
        person = site.approving()
        result = ToolBox(export, look, guard=guard).run(
            client, model="m", messages=[{"role": "user", "content": "Export it, please."}]
        )
        person.join()
    server.stop()
    assert result.text == "Done."  # type: ignore[union-attr] # a run that was suspended has none
    assert RAN == ["/out/b"]
    site.until(site.approvals()[0]["id"], "executed")


@pytest.mark.parametrize("what", ["another signing key", "no authority for its certificate", "clear text to it"])
def test_who_is_not_the_service_is_not_believed(site: Site, impostor: Site, tmp_path: Path, what: str) -> None:
    RAN.clear()
    changes = {
        "another signing key": {"url": impostor.url},
        "no authority for its certificate": {"ca": ""},
        "clear text to it": {"url": site.url.replace("https:", "http:"), "ca": ""},
    }[what]
    config = site.configuration(tmp_path / "guard", **changes)
    if what == "another signing key":
        (config.parent / "service.token").write_text(impostor.visitors.secret("ward-guard", Audience.SERVICE))
    with Guard.from_config(config) as guard, guard.session(caller=RUIZ, run="r") as session:
        with pytest.raises(ServiceError) as caught:
            session.call(look, {"name": "x"})
    assert "not heard of" in str(caught.value)
    assert RAN == []


# --- killed at every boundary

WORKER = """
import os, signal, sys
from toolguard import Caller, Guard, Suspended, ToolguardError
from toolguard.remote import courier, link, mirror, store

config, at, effects = sys.argv[1:4]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def export(path: str) -> str:
    "Write an export."
    if at == "begun":
        die()
    with open(effects, "a") as file:
        file.write(path + "\\n")
    if at == "ran":
        die()
    return "written"

ask = link.Link.ask

def asking(self, method, path, **more):
    what = path.rpartition("/")[2]
    if method == "POST" and at == "before " + what:
        die()
    reply = ask(self, method, path, **more)
    if method == "POST" and at == "after " + what:
        die()
    return reply

link.Link.ask = asking
mirror._PATIENCE = courier._FLUSH = 30.0  # a service on a busy machine is not away
if at == "before outcome":
    store.Courier.wake = die
guard = Guard.from_config(config, suspend="raise")
with guard.session(caller=Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys"), run=sys.argv[4]) as session:
    try:
        print(session.call(export, {"path": "/out/a"}, call_id="c-1"))
    except Suspended:
        print("suspended")
    except ToolguardError as error:
        print(error.code)
guard.close()
"""

KILLS: list[tuple[str, int, tuple[str, ...], str]] = [
    ("before approvals", 0, ("pending",), "suspended"),
    ("after approvals", 0, ("pending",), "suspended"),
    ("before claim", 1, ("executed",), "written"),
    ("after claim", 0, ("indeterminate",), "replay"),
    ("begun", 0, ("indeterminate",), "replay"),
    ("ran", 1, ("indeterminate",), "replay"),
    ("before outcome", 1, ("executed",), "replay"),
]


@pytest.mark.parametrize(("at", "ran", "states", "then"), KILLS, ids=[kill[0] for kill in KILLS])
def test_a_guard_that_is_killed_runs_it_at_most_once(
    site: Site, tmp_path: Path, at: str, ran: int, states: tuple[str, ...], then: str
) -> None:
    config, effects = site.configuration(tmp_path / "guard"), tmp_path / "effects"
    run = f"run-{at.replace(' ', '-')}"

    def work(point: str) -> tuple[int, str]:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(
            [sys.executable, "-c", WORKER, str(config), point, str(effects), run],
            capture_output=True, text=True, timeout=180, env=env,
        )  # fmt: skip
        return done.returncode, done.stdout.strip() or done.stderr

    if "approvals" not in at:
        assert work("") == (0, "suspended")
        site.approve(next(a for a in site.approvals(state="pending") if a["requester"]["run"] == run))
    assert work(at)[0] == -signal.SIGKILL
    assert work("") == (0, then)
    mine = [a for a in site.approvals() if a["requester"]["run"] == run]
    assert len(mine) == 1
    site.until(mine[0]["id"], *states)
    written = effects.read_text().splitlines() if effects.exists() else []
    assert len(written) == ran
    store = open_store(f"sqlite:///{config.parent / 'guard.db'}")
    report = verify(store)
    store.close()
    assert report.ok, report


def test_a_service_that_is_killed_and_comes_back_loses_nothing(tmp_path: Path, tls: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "ca.pem").write_bytes((tls / "ca.pem").read_bytes())
    ward = configure(tmp_path / "service")
    for name in ("cert.pem", "cert.key"):
        (tmp_path / "service" / name).write_bytes((tls / name).read_bytes())

    def begin() -> subprocess.Popen[str]:
        return start(
            ward.folder, "--port", str(port), "--ready-file", str(ward.folder / "ready.json"),
            "--tls-cert", str(ward.folder / "cert.pem"), "--tls-key", str(ward.folder / "cert.key"),
        )  # fmt: skip

    def kill(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.communicate()
        (ward.folder / "ready.json").unlink()

    process = begin()
    url = wait_for(process, ward.folder)
    authorities = ssl.create_default_context(cafile=ward.folder / "ca.pem")
    with httpx.Client(base_url=url, verify=authorities, timeout=60) as client:
        site = Site(ward.folder, url, ward.signer.public_key.line, Visitors(ward), client, process)
        RAN.clear()
        config = site.configuration(tmp_path / "guard")
        config.write_text(config.read_text().replace("remote = true", "remote = true\nfreeze_within = 60"))
        with Guard.from_config(config, suspend="raise") as guard, guard.session(caller=RUIZ, run="r") as session:

            def codes() -> str:
                try:
                    return str(session.call(export, {"path": "/out/a"}, call_id="c-1"))
                except ToolguardError as error:
                    return error.code

            assert codes() == "suspended"
            kill(process)
            assert codes() == "suspended"
            assert session.call(look, {"name": "x"}) == "found"  # as long as the configuration lets it
            process = begin()
            wait_for(process, ward.folder)
            site.approve(site.approvals()[0])
            assert codes() == "written"
            kill(process)  # before or after it heard
            process = begin()
            wait_for(process, ward.folder)
            site.until(site.approvals()[0]["id"], "executed")
    assert RAN == ["x", "/out/a"]
    stop(process)
    ward.store.close()


def test_a_remote_guards_configuration_starts_no_service(site: Site, tmp_path: Path) -> None:
    config = site.configuration(tmp_path / "guard")
    config.write_text(
        config.read_text().replace('file = "directory.yaml"', 'file = "directory.yaml"\ntokens = "t.json"')
    )
    process = start(config.parent, "--port", "0")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "give the service its own" in said


def test_what_a_configuration_lacks_is_said_plainly(site: Site, tmp_path: Path) -> None:
    whole = site.configuration(tmp_path / "guard").read_text()
    lines: list[tuple[str, str, str]] = [
        ('token = "service.token"\n', "", "set service.token"),
        ('token = "service.token"', 'token = "nothing.token"', "cannot be read"),
        (f'trusted = ["{site.trusted}"]', "trusted = []", "keys.trusted is empty"),
        ('[directory]\nfile = "directory.yaml"\n', "", "directory.file"),
        ("remote = true", 'remote = true\nsigning_key = "service.key"', "service.signing_key is the service's own"),
        ("remote = true", 'remote = true\nconfirm = "never"', "service.confirm"),
        (f'url = "{site.url}"', 'url = "http://approvals.example.org"', "use https"),
        (f'ca = "{site.folder / "ca.pem"}"', 'ca = "nothing.pem"', "cannot be read"),
        ("remote = true", "remote = true\nfreeze_within = 0.1", "service.freeze_within"),
    ]
    for before, after, said in lines:
        assert before in whole, before
        file = tmp_path / "guard" / "other.toml"
        file.write_text(whole.replace(before, after))
        with pytest.raises(ConfigError) as caught:
            Guard.from_config(file)
        assert said in str(caught.value), (before, str(caught.value))
