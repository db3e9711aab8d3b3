"""Every benchmark starts: what it takes from toolguard is there, it answers ``--help``, and the small ones run."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
READ = [*BENCHMARKS, *sorted((ROOT / "examples").glob("*.py")), *sorted((ROOT / "training").glob("*.py"))]
ELSEWHERE = {"agentdojo", "agents", "agentmesh", "veto"}
"""Peers that live in places of their own: a benchmark that needs one to be imported is read, and not started, here."""

START = """
import contextlib, importlib.util, io, json, runpy, sys, warnings
warnings.simplefilter("ignore")  # of others' packages
sys.path.insert(0, sys.argv[1])
said = {}
for file in sys.argv[2:]:
    named = "argparse" in open(file).read()
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            sys.argv = [file, "--help"]
            runpy.run_path(file, run_name="__main__" if named else "imported")
        said[file] = ""
    except SystemExit as end:
        said[file] = "" if end.code in (0, None) and "usage:" in out.getvalue() else f"ends in {end.code!r}"
    except BaseException as fault:
        said[file] = f"{type(fault).__name__}: {fault}" + (f" [{fault.name}]" if isinstance(fault, ImportError) else "")
print(json.dumps(said))
"""
SMALLEST = {
    "audit_journal.py": ["--seconds", "0.1", "--records", "300"],
    "decisions.py": ["--calls", "10", "--repeats", "1"],
    "evidence_packs.py": ["--records", "200"],
    "overhead.py": ["--calls", "20", "--repeats", "1"],
    "pruning.py": ["--records", "600", "--guards", "1"],
    "service_load.py": ["--waiters", "1", "--repeats", "1"],
}
"""Those that can be run whole in a few seconds, and how."""


def _taken(file: Path) -> Iterator[tuple[str, str]]:
    """Module and name of everything a file takes from toolguard and its adapters, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0].startswith("toolguard"):
            yield from ((str(node.module), name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names if name.name.split(".")[0].startswith("toolguard"))


def _there(module: str, name: str) -> bool:
    try:
        found = importlib.import_module(module)
        return not name or hasattr(found, name) or importlib.import_module(f"{module}.{name}") is not None
    except ImportError:
        return False


@pytest.mark.parametrize("file", READ, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_what_it_takes_from_toolguard_is_there(file: Path) -> None:
    assert [f"{module}: {name}" for module, name in _taken(file) if not _there(module, name)] == []


def test_a_name_that_moved_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "bench.py"
    file.write_text(
        "def run():\n    from toolguard.stores import open_store, Moved\n    import toolguard.gone\n", "utf-8"
    )
    assert [name for module, name in _taken(file) if not _there(module, name)] == ["Moved", ""]


def test_each_can_be_imported_and_says_how_it_is_run() -> None:
    done = subprocess.run(
        [sys.executable, "-c", START, BENCHMARKS[0].parent, *BENCHMARKS],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = {Path(file).name: why for file, why in json.loads(done.stdout.splitlines()[-1]).items()}
    assert set(said) == {file.name for file in BENCHMARKS}
    missing = {name for name, why in said.items() if any(f"[{peer}" in why for peer in ELSEWHERE)}
    assert {name: why for name, why in said.items() if why and name not in missing} == {}
    assert missing <= {"agentdojo_run.py", "frameworks_agents.py"}


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_run_goes_through(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", ROOT / "benchmarks" / name, *SMALLEST[name]],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
