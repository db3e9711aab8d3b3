"""The page's table against the client: every method of the installed SDK is called, and does what the table says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.openai.surface import CLIENTS, methods, outcome
from adapters.openai.ward import Ward, ana
from toolguard.errors import ConfigError
from toolguard.testing.openai_server import say
from toolguard_openai import guard_client

PAGE = (Path(__file__).parents[3] / "docs" / "openai.md").read_text("utf-8")
ROWS = [
    (re.findall(r"`([\w.]+)`", resources), re.findall(r"`([\w.]+)`", named), says)
    for resources, named, says in re.findall(r"^\| (`.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
]
MEANS = (("needs `allow", "refused:history"), ("local", "nothing"), ("passes", "sent"), ("**guarded**", "sent"))


def told() -> dict[str, str]:
    """What the table says of each method it names."""
    found: dict[str, str] = {}
    for resources, named, says in ROWS:
        means = next((m for word, m in (*MEANS, ("**masked**", "sent")) if says.startswith(word)), "refused")
        for resource in resources:
            for method in named:
                assert found.setdefault(f"{resource}.{method}", means) == means
    return found


def resources() -> set[str]:
    return {name for names, _, _ in ROWS for name in names}


@pytest.mark.parametrize("way", CLIENTS)
async def test_t14_every_method_of_the_sdk_does_what_the_table_says(quiet_ward: Ward, way: str) -> None:
    quiet_ward.sync = way == "sync"
    server = quiet_ward.server(lambda request: say("ok"))
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard)
    table, every = told(), list(methods(CLIENTS[way]))
    with ana(guard):
        found = {path: (await outcome(client, path, server.requests)).split(" ")[0] for path in every}
    assert len(every) > 400
    wrong = {path: said for path, said in found.items() if said != table.get(path, "refused")}
    assert not wrong, "these do something else than docs/openai.md says: mend the one or the other"
    assert not [p for p in table if p not in found], "the table names methods the SDK does not have"


def test_every_resource_of_the_sdk_stands_in_the_table() -> None:
    known = resources()
    missing = {
        path
        for path in methods(CLIENTS["sync"])
        if not any(path == name or path.startswith(f"{name}.") for name in known)
    }
    assert not missing, "somebody has to read what these send, and say so in docs/openai.md"


def test_a_method_that_the_sdk_learns_is_refused_and_noticed(quiet_ward: Ward) -> None:
    assert "telepathy.create" not in told()
    assert not any("telepathy".startswith(name) for name in resources())


@pytest.mark.parametrize("hook", ["_prepare_options", "_process_response"])
@pytest.mark.parametrize("way", CLIENTS)
def test_s16_an_sdk_without_the_hooks_of_this_guard_is_refused(
    quiet_ward: Ward, way: str, hook: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = CLIENTS[way](api_key="x")
    for base in type(client).__mro__:
        if hook in vars(base):
            monkeypatch.delattr(base, hook)
    with pytest.raises(ConfigError, match=hook):
        guard_client(client, guard=quiet_ward.guard())


@pytest.mark.parametrize("way", CLIENTS)
async def test_t14_no_socket_is_opened(quiet_ward: Ward, way: str) -> None:
    quiet_ward.sync = way == "sync"
    server = quiet_ward.server(lambda request: say("ok"))
    guard = quiet_ward.guard()
    client = quiet_ward.client(server, guard, allow={"/realtime", "/live", "/responses", "history"})
    sockets = [path for path in methods(CLIENTS[way]) if path.endswith("connect")]
    assert len(sockets) >= 7
    with ana(guard):
        for at in (client, client.with_options(timeout=60), client.copy()):
            for path in sockets:
                assert await outcome(at, path, server.requests) == "refused", path
    assert server.requests == []
