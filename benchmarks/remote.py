"""What it costs a guard that it has no access to the service's database, beside one that shares it.

    python benchmarks/remote.py [--calls 2000] [--approvals 60]

One approval service as a process on loopback (SQLite), and two guards against it in this process, in turns: one on the
service's store, one with a store of its own. Allowed calls are timed by processor time of the calling thread and by the clock;
approvals by the clock: how long asking takes, and how long from a person's yes to the tool.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from toolguard import Caller, Guard, Suspended
from toolguard.directory import Audience, FileDirectory, TokenFile
from toolguard.keys import Ed25519Signer, Purpose, SecretKey, write_key
from toolguard.testing import NoDetector

POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bench, version: 1}
approvals: {default: {approvers: ["group:officers"], expires: 1h, reason_required: false}}
tools: {look: {risk: low}, export: {risk: high}}
"""
DIRECTORY = """\
version: 1
persons:
  - {id: ana, name: Ana, identities: [{issuer: local, tenant: general, subject: ana}]}
  - {id: chen, name: Chen, identities: [{issuer: local, tenant: general, subject: chen}]}
groups: [{name: officers, tenant: general, members: [chen]}]
agents: [{name: bench, tenant: general, owners: [ana]}]
services: [{name: bench-guard, tenant: general, owners: [ana], agents: [bench]}]
"""
SERVE = "import typer; from toolguard_server.cli import serve; typer.run(serve)"
ANA = Caller.of("ana", agent="bench", tenant="general")
STARTED: list[float] = []


def look(name: str) -> str:
    """Look somebody up."""
    return "found"


def export(name: str) -> str:
    """Write an export."""
    STARTED.append(time.perf_counter())
    return "written"


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, str, str]]:
    """A service: its URL, an approver's token, a guard's."""
    signing, sealing = SecretKey.generate(Purpose.SIGN), SecretKey.generate(Purpose.SEAL)
    write_key(folder / "service.key", signing)
    write_key(folder / "guard.key", sealing)
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "directory.yaml").write_text(DIRECTORY)
    common = (
        '[guard]\npolicy = "policy.yaml"\nenvironment = "development"\nwait = 60\n'
        f'[keys]\nfile = "guard.key"\ntrusted = ["{Ed25519Signer(signing).public_key.line}"]\n'
        '[telemetry]\nspans = "off"\n'
    )
    store, people = '[store]\nurl = "sqlite:///{}.db"\n', '[directory]\nfile = "directory.yaml"\n'
    shared = (
        common + store.format("shared") + people + 'tokens = "tokens.json"\n[service]\nsigning_key = "service.key"\n'
    )
    (folder / "shared.toml").write_text(shared)
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "--config", str(folder / "shared.toml"), "--port", "0", "--rate", "0",
         "--ready-file", str(ready)], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not ready.exists():
            if process.poll() is not None:
                raise SystemExit("the service did not start")
            time.sleep(0.05)
        url = json.loads(ready.read_text())["url"]
        tokens = TokenFile(folder / "tokens.json", now=time.time)
        chen = FileDirectory(folder / "directory.yaml").find("chen", tenant="general", at=time.time())
        assert chen is not None
        decide = tokens.issue(audience=Audience.DECIDE, person="chen", identity=chen.identities[0], tenant="general")
        service = tokens.issue(audience=Audience.SERVICE, person="service:bench-guard", identity=None, tenant="general")
        (folder / "service.token").write_text(service.secret)
        remote = f'[service]\nremote = true\nurl = "{url}"\ntoken = "service.token"\n'
        (folder / "remote.toml").write_text(common + store.format("remote") + people + remote)
        yield url, decide.secret, service.secret
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def allowed(guard: Guard, calls: int) -> tuple[float, float]:
    """Microseconds a call: of the thread's processor time, and by the clock (median)."""
    walls = []
    with guard.session(caller=ANA) as session:
        begun = time.thread_time()
        for n in range(calls):
            at = time.perf_counter()
            session.call(look, {"name": f"n{n}"})
            walls.append(time.perf_counter() - at)
        used = time.thread_time() - begun
    return used / calls * 1e6, statistics.median(walls) * 1e6


class Person:
    """Approves over REST what a guard asks, and remembers when."""

    def __init__(self, url: str, token: str) -> None:
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)

    def approve(self) -> float:
        for _ in range(4000):
            found = self.client.get("/v1/approvals", params={"state": "pending", "limit": 1}).json()["items"]
            if found:
                one = found[0]
                time.sleep(0.05)  # whoever asks has begun to wait by now
                body = {
                    "answer": "approve",
                    "seen_call_digest": one["call_digest"],
                    "seen_view_digest": one["view_digest"],
                }
                self.client.post(
                    f"/v1/approvals/{one['id']}/decision", json={**body, "reason": "fine"},
                    headers={"If-Match": f'"{one["version"]}"'},
                ).raise_for_status()  # fmt: skip
                return time.perf_counter()
            time.sleep(0.005)
        raise SystemExit("nobody asked")


def asked(guard: Guard, person: Person) -> float:
    """Milliseconds until a question stands before people."""
    with guard.session(caller=ANA, suspend="raise") as session:
        at = time.perf_counter()
        with contextlib.suppress(Suspended):
            session.call(export, {"name": "x"}, call_id="c")
        took = (time.perf_counter() - at) * 1e3
        person.approve()
        session.call(export, {"name": "x"}, call_id="c")
    return took


def woken(guard: Guard, person: Person) -> float:
    """Milliseconds from a person's yes to the tool, for a call that waits in place."""
    said: list[float] = []
    thread = threading.Thread(target=lambda: said.append(person.approve()))
    thread.start()
    with guard.session(caller=ANA) as session:
        session.call(export, {"name": "x"}, call_id="c")
    thread.join()
    return (STARTED[-1] - said[0]) * 1e3


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):8.1f} {sorted(values)[int(len(values) * 0.9)]:8.1f}"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--approvals", type=int, default=60)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as (url, token, _):
        guards = {
            kind: Guard.from_config(Path(name) / f"{kind}.toml", detector=NoDetector()) for kind in ("shared", "remote")
        }
        person = Person(url, token)
        for guard in guards.values():
            allowed(guard, 50)
        rounds = 8
        used: dict[str, list[float]] = {kind: [] for kind in guards}
        walls: dict[str, list[float]] = {kind: [] for kind in guards}
        for _ in range(rounds):
            for kind, guard in guards.items():
                cpu, wall = allowed(guard, args.calls // rounds)
                used[kind].append(cpu)
                walls[kind].append(wall)
        steps: dict[str, Callable[[Guard, Person], float]] = {"asking, ms": asked, "yes to tool, ms": woken}
        times = {step: {kind: [] for kind in guards} for step in steps}
        for _ in range(args.approvals // 2):
            for step, go in steps.items():
                for kind, guard in guards.items():
                    times[step][kind].append(go(guard, person))
        for guard in guards.values():
            guard.close()
        person.client.close()
    print(f"load {os.getloadavg()[0]:.1f}, {args.calls} allowed calls and {args.approvals} approvals each\n")
    print(f"{'':24}{'shared':>8}{'p90':>9}{'remote':>10}{'p90':>9}{'ratio':>8}")
    rows = {"allowed, us processor": used, "allowed, us clock": walls, **times}
    for what, row in rows.items():
        ratio = statistics.median(row["remote"]) / statistics.median(row["shared"])
        print(f"{what:24}{spread(row['shared'])}  {spread(row['remote'])}{ratio:8.2f}")


if __name__ == "__main__":
    main()
