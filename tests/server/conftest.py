from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from authority.ward import Ward
from server.process import Running, configure, start, stop, wait_for
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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    ward = configure(folder)
    process = start(folder, "--port", "0", "--ready-file", str(folder / "ready.json"))
    url = wait_for(process, folder)
    yield Running(ward, Visitors(ward), url, process)
    said = stop(process)
    assert not (folder / "ready.json").exists()
    assert "Traceback" not in said
    ward.store.close()
