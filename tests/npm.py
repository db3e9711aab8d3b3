"""Packages of npm for tests with real clients: installed by version into a cache, once; what is missing is installed if it can be.

On a machine without Node and without the means to install it a test is skipped, and says so; where ``CI`` is set it
fails instead.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

__all__ = ["cannot", "modules", "node", "program"]

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "toolguard-tests"


def cannot(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"this machine cannot run a real client: {why}")
    pytest.skip(f"NOT TESTED: this machine cannot run a real client: {why}")


def node() -> str:
    """Node's path; installed as a Debian package where that is possible."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        _apt("nodejs", "npm")
        found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        cannot("there is no Node, and it could not be installed")
    return str(found)


def program(package: str, *names: str) -> str:
    """The path of the first of ``names`` that is there; installed as a Debian package where that is possible."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        _apt(package)
        found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        cannot(f"there is no {names[0]}, and it could not be installed")
    return str(found)


def _apt(*packages: str) -> None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    _CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(_CACHE / "apt.lock", timeout=600):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": 900, "check": False}
        subprocess.run(["apt-get", "update"], **quiet)
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *packages], **quiet)


def modules(*packages: str) -> Path:
    """A folder whose ``node_modules`` holds these packages (``name@version``), made once for this machine."""
    node()
    folder = _CACHE / hashlib.sha256(" ".join(sorted(packages)).encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "install.lock", timeout=600):
        if not (folder / "made").exists():
            (folder / "package.json").write_text('{"name": "toolguard-tests", "private": true}')
            made = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--omit=optional", *packages],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
                env={
                    **os.environ,
                    "npm_config_omit_lockfile_registry_resolved": "true",
                    "npm_config_update_notifier": "false",
                },
            )
            if made.returncode != 0:
                cannot(f"npm could not install {', '.join(packages)}")
            (folder / "made").touch()
    return folder
