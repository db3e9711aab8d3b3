from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.contract.driver import Driver
from adapters.contract.table import params_of
from adapters.contract.ward import Ward


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rule = getattr(metafunc.function, "rule", None)
    if rule is not None:
        metafunc.parametrize("place", params_of(rule))


@pytest.fixture
async def drive(place: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """``await drive("find", …)`` gives the driver of this test's path, mode and way, with these tools."""
    path, mode, way = place
    opened: list[Driver] = []

    async def make(*names: str, settings: Any = None, **given: Any) -> Driver:
        folder = tmp_path / str(len(opened))
        folder.mkdir()
        ward = Ward(folder=folder, mode=mode, way=way, names=names, **given)
        driver: Driver = await path(ward, **(settings or {})).__aenter__()
        opened.append(driver)
        return driver

    yield make
    for driver in opened:
        await driver.__aexit__(None, None, None)
        driver.ward.close()
