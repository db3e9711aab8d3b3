"""Cards say how many comments there are, and stay true when somebody comments; the words themselves are in the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from authority.ward import Ward, human
from channels.slack_api import said
from channels.teams_cloud import Cloud, Team, runs
from channels.teams_cloud import rule as in_teams
from channels.workspace import Workspace
from channels.workspace import rule as in_slack
from toolguard.authority import Answer, Notice
from toolguard.channels import card_of

SECRET = "the patient is a neighbour of mine <!channel> [x](https://evil.example)"


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    ward = Ward(tmp_path)
    yield Team(ward, Cloud())
    ward.store.close()


def test_slack_messages_say_how_many(workspace: Workspace) -> None:
    ward, channel = workspace.ward, workspace.channel
    asked = ward.ask(rules=(in_slack(),))
    ward.authority.tick([channel])
    assert "in the inbox" not in said(workspace.api.posted()[0]["blocks"]).lower().replace("open in inbox", "")
    for who, words in (("ada", "1 comment in the inbox"), ("ruiz", "2 comments in the inbox")):
        ward.authority.comment(human(who), asked.id, SECRET)
        assert ward.authority.tick([channel]) == 1
        (message,) = workspace.api.posted()
        assert words in said(message["blocks"])
        assert "neighbour" not in json.dumps(message)
        assert "evil" not in json.dumps(message)


def test_cards_in_teams_say_how_many_to_everybody_and_to_each(team: Team) -> None:
    ward = team.ward
    asked = ward.ask(rules=(in_teams(),))
    ward.authority.tick([team.channel])
    for who, words in (("ada", "1 comment in the inbox"), ("ruiz", "2 comments in the inbox")):
        ward.authority.comment(human(who), asked.id, SECRET)
        assert ward.authority.tick([team.channel]) == 1
        (card,) = team.cloud.shown()
        for shown in (card, team.view("grace", asked)):
            assert words in list(runs(shown))
            assert "neighbour" not in json.dumps(shown)
            assert "evil" not in json.dumps(shown)


def test_a_comment_decides_nothing_and_leaves_the_card_good(team: Team) -> None:
    asked = team.ward.ask(rules=(in_teams(),))
    team.ward.authority.tick([team.channel])
    before = team.view("ada", asked)
    team.ward.authority.comment(human("grace"), asked.id, "approve")
    assert team.ward.read(asked.id) == asked
    data = next(action["data"] for action in before["actions"] if action["title"] == "Deny")
    team.invoke("ada", "deny", {**data, "reason": "not this patient"})
    assert [v.answer for v in team.ward.read(asked.id).verdicts] == [Answer.DENY]


class States:
    """A channel that shows states alone."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def announce(self, approval: object) -> None:
        self.told.append("state")


class Notices(States):
    def notify(self, approval: object, notice: Notice) -> None:
        self.told.append(notice.value)


def test_who_shows_states_alone_hears_of_no_comment_and_of_what_is_over_nobody_does(workspace: Workspace) -> None:
    ward, states, notices = workspace.ward, States(), Notices()
    asked = ward.ask(rules=(in_slack(),))
    ward.authority.comment(human("ada"), asked.id, "who is it for?")
    assert ward.authority.tick([states, notices]) == 2
    assert (states.told, notices.told) == (["state"], ["state", "comment"])
    ward.authority.comment(human("ada"), asked.id, "nobody says")
    ward.decide(human("grace"), asked, Answer.DENY)
    assert ward.authority.tick([states, notices]) == 2
    assert (states.told, notices.told) == (["state"] * 2, ["state", "comment", "state"])


def test_comments_that_do_not_hold_together_are_not_counted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ward = workspace.ward
    asked = ward.ask(rules=(in_slack(),))
    ward.authority.comment(human("ada"), asked.id, "who is it for?")
    assert ward.authority.comments_on(asked) == 1
    other = ward.another_authority()
    (kept,) = ward.store.acts("*comments/st-marys")
    monkeypatch.setattr(ward.store, "acts", lambda *_: (replace(kept, payload=kept.payload.replace(b"who", b"wha")),))
    assert other.comments_on(asked) == 0


@pytest.mark.parametrize(("n", "words"), [(0, ""), (1, "1 comment in the inbox"), (20, "20 comments in the inbox")])
def test_the_words(workspace: Workspace, n: int, words: str) -> None:
    asked = workspace.ward.ask()
    assert card_of(asked, requester="Ana", link="https://desk.example", now=0.0, comments=n).talk == words
