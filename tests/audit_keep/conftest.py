from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit_keep.place import Place


@pytest.fixture(params=["memory", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, "memory:" if request.param == "memory" else None)
    yield place
    place.store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.store.close()
