"""The service as a process of its own, and the ward it serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from authority.ward import Time, Ward
from server.visitors import Visitors
from toolguard.keys import Ed25519Signer, KeyRing, Purpose, SecretKey, write_key

RUN = "import typer; from toolguard_server.cli import serve; typer.run(serve)"
POLICY = "version: 1\n"


class Wall(Time):
    """This machine's time: two processes share it."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def __call__(self) -> float:
        return time.time()


@dataclass
class Running:
    ward: Ward
    visitors: Visitors
    url: str
    process: subprocess.Popen[str]


def configure(folder: Path, *, url: str = "http://127.0.0.1:8790") -> Ward:
    key = SecretKey.generate(Purpose.SIGN)
    write_key(folder / "service.key", key)
    signer = Ed25519Signer(key)
    reveal = SecretKey.generate(Purpose.REVEAL)
    write_key(folder / "reveal.key", reveal)
    (folder / "toolguard.toml").write_text(
        f'[guard]\npolicy = "policy.yaml"\n[store]\nurl = "sqlite:///t.db"\n'
        f'[keys]\ntrusted = ["{signer.public_key.line}"]\n'
        f'[directory]\nfile = "directory.yaml"\ntokens = "tokens.json"\n'
        f'second_factors = "factors.json"\n'
        f'[service]\nurl = "{url}"\nsigning_key = "service.key"\nreveal_key = "reveal.key"\n'
    )
    return Ward(folder, f"sqlite:///{folder}/t.db", time=Wall(), signer=signer, reveals=KeyRing([reveal]))


def wait_for(process: subprocess.Popen[str], folder: Path) -> str:
    """The address of a service that was started with a ready file in ``folder``."""
    until = time.monotonic() + 60
    while not (folder / "ready.json").exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    ready = json.loads((folder / "ready.json").read_text())
    assert ready["pid"] == process.pid
    return str(ready["url"])


def stop(process: subprocess.Popen[str]) -> str:
    """What it said on its way out."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def start(folder: Path, *arguments: str, before: str = "") -> subprocess.Popen[str]:
    """``before``: Python that the process runs first."""
    return subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            f"{before}\n{RUN}",
            "--config",
            str(folder / "toolguard.toml"),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
