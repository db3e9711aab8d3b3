from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.langchain.kit import GOT, Desk, Guard, Session, caller, make_guard


def pytest_configure(config: pytest.Config) -> None:
    """Marks that langchain-tests puts on its tests of models, which are imported with those of tools."""
    for mark in ("benchmark", "vcr"):
        config.addinivalue_line("markers", f"{mark}: of langchain-tests; nothing here uses it")


@pytest.fixture(autouse=True)
def nothing_got() -> None:
    GOT.clear()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, store="memory:")
    yield desk
    desk.store.close()


@pytest.fixture
def guard(desk: Desk) -> Guard:
    return make_guard(desk)


@pytest.fixture
def session(guard: Guard) -> Iterator[Session]:
    with guard.session(caller=caller(), run="thread-1") as session:
        yield session
