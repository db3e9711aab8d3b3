"""S16: what is unknown, misspelt or broken fails closed, and is said aloud."""

from __future__ import annotations

import contextlib
from typing import Any, Self

import pytest

from adapters.contract.driver import Call, Driver
from adapters.contract.table import rule
from adapters.contract.ward import ADA, DENIED, MRN, NO_SUCH_TOOL, PERSON, USER, assert_masked
from toolguard import IdentityError, ToolguardError, current_session
from toolguard.errors import ConfigError, StoreError


def has_a_model(path: type[Driver]) -> bool:
    return hasattr(path, "graph") or path.path not in ("tool.invoke", "session.call", "@guard.tool")


@rule("S16", where=has_a_model)
async def test_a_name_the_model_made_up_runs_nothing(drive: Any) -> None:
    driver = await drive("find")
    found = await driver.start(Call("find_all", {"patient": PERSON}))
    assert driver.ward.ran == []
    if not driver.says_unknown:  # the framework itself knows no such tool
        assert "find_all" in found.answers["c1"]
        return
    assert found.answers == {"c1": NO_SUCH_TOOL}
    assert driver.ward.kinds() == ["call.decided"]
    assert "unknown_tool" in driver.ward.written()
    assert "find_all" not in driver.ward.written()


@rule("S16")
async def test_a_tool_the_policy_does_not_name_is_denied_and_said_aloud(drive: Any, place: Any) -> None:
    said: Any = pytest.warns(UserWarning, match="'unlisted'")
    with contextlib.nullcontext() if place[0].path == "session.call" else said:  # there the call's own error says it
        driver, found = await _start_unlisted(drive)
    assert found.answers == {"c1": DENIED}
    assert driver.ward.ran == []


async def _start_unlisted(drive: Any) -> tuple[Any, Any]:
    driver = await drive("unlisted")
    return driver, await driver.start(Call("unlisted", {"text": "x"}))


@rule("S16")
async def test_a_rule_that_fails_denies(drive: Any) -> None:
    driver = await drive("odd")
    found = await driver.start(Call("odd", {"text": "no number"}))
    assert found.answers == {"c1": DENIED}
    assert driver.ward.ran == []


@rule("S16")
async def test_a_store_that_is_down_runs_nothing_and_shows_nothing(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = await drive("find")
    with driver.ward.open() as session:
        user = str(session.mask(USER))

    def down(change: object) -> None:
        raise StoreError("the store is down; start it, then try again")

    monkeypatch.setattr(driver.ward.desk.store, "commit", down)
    try:
        told = repr(await driver.start(Call("find", {"patient": PERSON}), user=user))
    except ToolguardError as fault:
        told = str(fault)
    assert driver.ward.ran == []
    assert_masked(told)
    assert MRN not in driver.model_saw


class Nobody:
    """In a session's place: nobody."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def mask(self, text: str) -> str:
        return "go"

    async def amask(self, text: str) -> str:
        return "go"

    def call(self, *_: Any, **__: Any) -> Any:
        return current_session()

    async def acall(self, *_: Any, **__: Any) -> Any:
        return current_session()


@rule("S16")
async def test_nobody_behind_a_call_is_an_error_and_nothing_runs(drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = await drive("find")
    monkeypatch.setattr(driver.ward, "open", Nobody)
    with pytest.raises(IdentityError):
        await driver.start(Call("find", {"patient": ADA}))
    assert driver.ward.ran == []
    assert driver.ward.kinds() == []


@rule("S16", modes=("interrupt",))
async def test_a_missing_checkpointer_is_an_error_at_first_use(drive: Any) -> None:
    driver = await drive("find", settings={"forgetful": True})
    with pytest.raises(ConfigError, match="needs a graph with a checkpointer"):
        await driver.start(Call("find", {"patient": PERSON}))
    assert driver.ward.ran == []
