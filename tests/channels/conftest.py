from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from authority.ward import Ward
from channels.slack_api import SlackApi
from channels.workspace import Workspace


@pytest.fixture
def slack_api() -> Iterator[SlackApi]:
    api = SlackApi()
    yield api
    api.close()


@pytest.fixture
def workspace(tmp_path: Path, slack_api: SlackApi) -> Iterator[Workspace]:
    ward = Ward(tmp_path)
    yield Workspace(ward, slack_api)
    ward.store.close()
