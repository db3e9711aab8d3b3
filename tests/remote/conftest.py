from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remote.clinic import Clinic
from toolguard.remote import mirror


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    monkeypatch.setattr(mirror, "_PATIENCE", 30.0)  # a service on a busy machine is not away
    clinic = Clinic(tmp_path)
    yield clinic
    clinic.close()
