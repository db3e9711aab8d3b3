"""Three people at real clients of Teams (npm ``@microsoft/m365agentsplayground``), the service, and the connector's tokens.

The clients listen on every interface, so everything runs in a network namespace of its own, in a process of its own.
They send no tokens; what stands between signs for them, as Microsoft's connector does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import npm
from browser.conftest import chromium
from toolguard.channels import HINTS

TESTS = Path(__file__).parents[1]
PLAYGROUND = "@microsoft/m365agentsplayground@0.2.28"
"""Under Microsoft's own terms: it is installed for this test, and no part of anything that is shipped."""


def namespace() -> list[str]:
    """How to run something in a network of its own, with nothing in it but loopback."""
    unshare, ip = npm.program("util-linux", "unshare"), npm.program("iproute2", "ip")
    up = f"{ip} link set lo up"
    command = [unshare, *([] if os.geteuid() == 0 else ["--map-root-user"]), "--net", "sh", "-c"]
    if subprocess.run([*command, up], capture_output=True, timeout=20, check=False).returncode != 0:
        npm.cannot("it may make no network namespace")
    return [*command, f'{up} && exec "$@"', "sh"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    modules = npm.modules(PLAYGROUND)
    folder = tmp_path_factory.mktemp("playground")
    paths = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH", ""))))
    ended = subprocess.run(
        [*namespace(), sys.executable, "-m", "channels.playground", str(folder), str(modules), chromium()],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def test_the_card_in_the_room_offers_everybody_the_same(found):
    assert found["shared"]["buttons"] == ["Answer here"]  # the link to the inbox is a link
    for part in ("Ana Ruiz asks to run send_email", "records@example.org", "<EMAIL_1>", "high, communication"):
        assert part in found["shared"]["text"]


def test_the_approver_gets_buttons(found):
    assert found["views"]["ada"]["buttons"] == ["Approve once", "Deny"]


def test_the_requester_gets_none_and_reads_why(found):
    assert found["views"]["ruiz"]["buttons"] == []
    assert HINTS["self_approval"] in found["views"]["ruiz"]["text"]


def test_an_outsider_reads_that_there_is_nothing_for_them(found):
    assert found["views"]["sid"]["buttons"] == []
    assert "There is no such request for you" in found["views"]["sid"]["text"]
    assert "send_email" not in found["views"]["sid"]["text"]


def test_an_approval_in_the_card_counts_and_every_copy_says_so(found):
    assert found["approved"]["state"] == "approved"
    assert found["approved"]["verdicts"] == [["ada", "teams", "Ward 7 confirmed it"]]
    for card in found["approved"]["cards"].values():
        assert "Approved once: send_email" in card["text"]
        assert card["buttons"] == []


def test_a_double_click_decides_once(found):
    assert found["denied"]["verdicts"] == [["ada", "teams", "not this patient"]]
    assert "ada denied: not this patient" in found["denied"]["cards"]["ada"]["text"]


def test_hostile_text_is_text(found):
    hostile = found["hostile"]
    assert hostile["active"] == 0
    assert hostile["pwned"] is None
    assert hostile["wide"] is False
    assert hostile["text"].count("[click](https://evil.example) **bold** <img src=x") == 3
    assert "{ {DATE(2026-01-01T00:00:00Z, SHORT)} }" in hostile["text"]
    assert not {"\u202e", "\u200b"} & set(hostile["text"])
    assert hostile["buttons"] == ["Approve once", "Deny"]


def test_what_a_client_sent_is_worth_nothing_to_others_and_nothing_more_the_second_time(found):
    replays = found["replays"]
    assert replays["same"] is True
    assert found["after"] == {name: found["approved"][name] for name in ("state", "verdicts")}
    assert HINTS["stale"] in replays["again"] or "Approved once" in replays["again"]
    assert [replays[how] for how in ("forged", "unsigned", "elsewhere")] == [401, 401, 401]
    assert "There is no such request for you" in replays["stranger"]
    assert HINTS["self_approval"] in replays["requester"]
    assert (replays["state"], replays["verdicts"]) == ("pending", [])


def test_no_client_was_refused_and_the_cards_were_sent_and_updated(found):
    assert found["refused"] == [401, 401, 401]  # those of the test above
    assert {each.split()[0] for each in found["sent"]} == {"POST", "PUT"}
