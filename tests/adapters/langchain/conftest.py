from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.langchain.kit import Desk, Guard, Session, caller, make_guard


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
