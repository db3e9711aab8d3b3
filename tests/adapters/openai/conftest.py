from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.openai.ward import RAN, Ward
from toolguard.testing.desk import Desk


@pytest.fixture(params=["chat-sync", "chat-async", "responses-sync", "responses-async"])
async def ward(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ward]:
    api, way = request.param.split("-")
    durable = getattr(request.module, "DURABLE", False)
    ward = open_ward(tmp_path, api, sync=way == "sync", durable=durable)
    yield ward
    await ward.close()


@pytest.fixture
async def quiet_ward(tmp_path: Path) -> AsyncIterator[Ward]:
    """One ward, where the API and the way to call it do not matter."""
    ward = open_ward(tmp_path, "chat", sync=True)
    yield ward
    await ward.close()


def open_ward(folder: Path, api: str, *, sync: bool, durable: bool = False) -> Ward:
    RAN.clear()
    return Ward(folder=folder, desk=Desk(folder, store=None if durable else "memory:"), api=api, sync=sync)
