"""Messages to approvers carry the journal's stamp, so that mailboxes hold what nobody with the database can change."""

from __future__ import annotations

import json

import pytest

from toolguard._core.approval import Approval
from toolguard.channels import card_of
from toolguard.testing.store_samples import START, a_request
from toolguard_slack.blocks import message as slack_message
from toolguard_teams.cards import message as teams_message

STAMP = f"{'5e' * 16} 1204 {'ab' * 32}"


@pytest.mark.parametrize("message", [slack_message, teams_message])
@pytest.mark.parametrize("stamp", [STAMP, ""])
def test_a_message_carries_the_stamp_where_there_is_one(message, stamp: str) -> None:  # type: ignore[no-untyped-def] # two modules' own
    approval = Approval(request=a_request("a"), changed=START)
    said = json.dumps(message(card_of(approval, requester="Ada", link="https://x/inbox/a", now=START, stamp=stamp)))
    assert (STAMP in said) == bool(stamp)
    assert ("journal" in said) == bool(stamp)
