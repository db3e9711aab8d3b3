from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from authority.ward import Ward


@pytest.fixture(params=["memory", "sqlite"])
def ward(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path, "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/t.db")
    yield ward
    ward.store.close()
