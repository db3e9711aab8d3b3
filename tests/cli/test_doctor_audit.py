"""What the doctor says of records that cannot leave the store."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from cli.healthy import healthy
from toolguard._core.approval import State, move
from toolguard._core.steps import Change
from toolguard.health import Level
from toolguard.stores.sqlite import SqliteStore
from toolguard.testing import store_samples as samples

DAY = 86400.0


class Then:
    """A clock of some days ago."""

    def __init__(self, days: float) -> None:
        self._at = time.time() - days * DAY

    def now(self) -> float:
        return self._at

    def monotonic(self) -> float:
        return self._at


@pytest.mark.parametrize(("days", "said"), [(100.0, True), (10.0, False)])
def test_a_call_that_nobody_resolves_for_longer_than_records_are_kept_is_named(
    tmp_path: Path, days: float, said: bool
) -> None:
    home = healthy(tmp_path)
    (home.folder / "segments").mkdir()
    home.set("audit", keep_for="90d", segments="segments")
    with closing(SqliteStore(home.at("t.db"), Then(days))) as store:
        now = store.now()
        request = samples.a_request("lost", tenant="general", created=now, expires=now + 600.0)
        store.commit(Change(tenant="general", records=(samples.a_draft(call=request.call),), create=request))
        waiting = store.get("general", request.id)
        assert waiting is not None
        after = samples.approve(waiting, now)
        store.commit(Change(tenant="general", update=samples.step(waiting, after), announce=waiting.id))
        store.commit(samples.claimed(after, now=now))
        running = store.get("general", request.id)
        assert running is not None
        lost = move(running, State.INDETERMINATE, now=now, outcome="indeterminate")
        store.commit(Change(tenant="general", update=samples.step(running, lost)))
    found = [f for f in home.look() if f.code == "audit.unresolved"]
    assert [f.level for f in found] == ([Level.WARNING] if said else [])
    assert all(f"toolguard approvals resolve {lost.id}" in f.mend for f in found)
