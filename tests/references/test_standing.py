"""A yes that stands was given for arguments, not for what they refer to: where the policy binds contents, each is asked."""

import pytest

from core.test_flow import Hand, setting
from toolguard._core.approval import StandingTerms
from toolguard._core.flow.judge import judge
from toolguard._core.flow.stand import _covers, arg_digests, rules_digest
from toolguard._core.register import StandingApproval
from toolguard._core.risk import RiskLevel
from toolguard._core.steps import Requester
from toolguard._core.toolrule import ToolRule


@pytest.mark.parametrize(("references", "covered"), [({}, True), ({"path": "file"}, False)])
def test_a_standing_yes_does_not_cover_contents(references, covered):
    made = setting(tool_rule=ToolRule(pattern="export", risk=RiskLevel.HIGH, references=references))
    judged = Hand().run(judge(made, {"path": "/srv/letter.txt"}))
    standing = StandingApproval(
        id="s",
        approval="a",
        person="ana",
        agent="agent",
        session="s",
        tool="export",
        tool_ref=made.tool.identity.ref,
        level=RiskLevel.HIGH,
        rules=rules_digest(judged.decision.approver_rules),
        asked_by=frozenset(judged.decision.rule_ids),
        classes=judged.decision.risk.classes,
        fixed=arg_digests(made.scope.digest_key, {"path": "/srv/letter.txt"}),
        terms=StandingTerms(seconds=3600.0, uses=5),
        begins=0.0,
        expires=2e9,
        approvers=("chen",),
    )
    who = Requester(person="ana", excluded=frozenset({"ana"}), reachable={})
    assert _covers(standing, made, judged, who, 1000.0) is covered
