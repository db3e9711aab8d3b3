from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.healthy import Home, healthy


@pytest.fixture(scope="session")
def _pattern(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return healthy(tmp_path_factory.mktemp("healthy"))


@pytest.fixture
def home(_pattern: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An installation in order, to be spoiled; the working folder is in it."""
    folder = tmp_path / "home"
    shutil.copytree(_pattern.folder, folder)
    monkeypatch.chdir(folder)
    for name in ("TOOLGUARD_CONFIG", "TOOLGUARD_TOKEN", "TOOLGUARD_SERVICE_URL", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Home(folder, {name: dict(values) for name, values in _pattern.toml.items()})
