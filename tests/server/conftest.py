from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from authority.ward import Ward
from server.visitors import Visitors, client_of


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path)
    yield ward
    ward.store.close()


@pytest.fixture
def visitors(ward: Ward) -> Visitors:
    return Visitors(ward)


@pytest.fixture
async def client(ward: Ward) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(ward) as client:
        yield client
