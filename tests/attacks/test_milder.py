"""Making the policy milder than it is written."""

import pytest

from toolguard import BoundTool, Caller, Suspended
from toolguard._core.call import Tool
from toolguard.errors import DeniedError, UnknownToolError
from toolguard.policyfile import load_policy
from toolguard.testing import WordDetector

ADA = "Ada Byron"
WORDS = WordDetector({ADA: "PERSON"})


def tool(name, ran, source="app", description=""):
    return BoundTool(tool=Tool.describe(name, source=source, description=description), invoke=ran.append)


# --- what rules withhold --------------------------------------------------------------------------------


def test_a_rule_that_withholds_part_of_an_argument_withholds_it(desk, policy, ana, drive, calm, ran):
    with desk.guard(policy, detector=WORDS, analyser=calm).session(caller=ana) as session:
        session.mask(ADA)
        body = {"inner": "<PERSON_1>", "inner2": "<PERSON_1>", "deep": {"inner": "<PERSON_1>"}}
        drive(session, "call", tool("query", ran), {"body": body})
    assert ran == [{"body": {"deep": {"inner": ADA}, "inner": "<PERSON_1>", "inner2": ADA}}]


def test_a_rule_that_withholds_wins_over_an_argument_that_passes(desk, policy, ana, drive, calm, ran):
    """The argument passes as the model wrote it, until a rule that matches says otherwise."""
    with desk.guard(policy, detector=WORDS, analyser=calm).session(caller=ana) as session:
        session.mask(ADA)
        drive(session, "call", tool("relay", ran), {"body": f"{ADA} <PERSON_1>"})
        drive(session, "call", tool("relay", ran), {"body": "<PERSON_1>"})
    assert ran == [{"body": "<PERSON_M1> <PERSON_1>"}, {"body": "<PERSON_1>"}]


# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["WIPE", "Wipe", "wIpE"])
def test_another_case_of_a_tools_name_is_the_same_tool_to_the_policy(desk, policy, ana, drive, ran, name):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(DeniedError):
        drive(session, "call", tool(name, ran), {})
    assert ran == []


@pytest.mark.parametrize(
    "name",
    [
        "look\u200bup",
        "lооkup",
        "lookup ",
        " lookup",
        "lookup\n",
        "lookup\x00",
        "xlookup",
        "lookup.x",
        "ｌookup",
        "",
        "*",
    ],
)
def test_a_name_that_only_looks_like_a_known_one_is_unknown(desk, policy, ana, drive, ran, name):
    with desk.guard(policy).session(caller=ana) as session, pytest.raises(DeniedError, match="does not name this tool"):
        drive(session, "call", tool(name, ran), {})
    assert ran == []


@pytest.mark.parametrize("name", ["LOOKUP", "Lookup", "looKup", "ｌookup"])
def test_t6_two_tools_whose_names_read_the_same_are_never_both_known(desk, policy, ana, ran, name):
    """A hostile server offers ``LOOKUP`` beside the trusted ``lookup``: a pattern fits both."""
    guard = desk.guard(policy, detector=WORDS)
    guard.know(Tool.describe("lookup", source="app"))
    with guard.session(caller=ana) as session, pytest.raises(UnknownToolError):
        session.call(tool(name, ran, source="mcp:evil"), {"name": "x"})
    assert guard.known(name) is None
    assert ran == []


def test_a_pattern_is_text_whatever_characters_it_holds():
    from toolguard._core.policy import glob_matches

    assert not glob_matches("a.b", "axb")
    assert not glob_matches("a[bc]", "ab")
    assert glob_matches("delete_*", "DELETE_all\nrows")


# --- modes and sessions ---------------------------------------------------------------------------------

SHADOW = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: p, version: 1, owner: x}
mode: shadow
approvals: {default: {approvers: ["group:privacy-office"]}}
tools: {send: {risk: low}}
rules:
  - {id: nobody, because: "Nobody.", match: {tool: [toolguard.reveal]}, effect: deny}
"""


def test_shadow_mode_shows_nobody_what_the_policy_would_not(desk, ana, drive):
    """What is shown in clear cannot be taken back: shadow mode still masks, and still keeps values."""
    with desk.guard(load_policy(SHADOW, name="p"), detector=WORDS).session(caller=ana) as session:
        masked = session.mask(ADA)
        with pytest.raises(DeniedError):
            drive(session, "reveal", masked, purpose="treatment")
    assert [r.draft.kind.value for r in desk.store.records()][-1] == "call.not_run"


def test_shadow_mode_still_masks(desk, ana, drive, ran):
    with desk.guard(load_policy(SHADOW, name="p"), detector=WORDS).session(caller=ana) as session:
        drive(session, "call", tool("send", ran), {"to": ADA})
    assert ran == [{"to": "<PERSON_M1>"}]


REVEAL = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: p, version: 1, owner: x}
approvals: {default: {approvers: ["group:privacy-office"]}}
tools: {toolguard.reveal: {risk: high}}
"""


def test_an_approved_reveal_shows_nothing(desk, ana):
    """Values are shown by role and purpose, not by a yes that was given for something else."""
    with desk.guard(load_policy(REVEAL, name="p"), detector=WORDS).session(caller=ana, run="r") as session:
        masked = session.mask(ADA)
        for _ in range(2):
            with pytest.raises((Suspended, DeniedError)):
                session.reveal(masked, purpose="treatment")
            for approval in desk.store.list("general"):
                if approval.state.value == "pending":
                    desk.approve(approval.id)


@pytest.mark.parametrize(
    "arguments", [{"approved": True}, {"_toolguard": {"approval": "yes"}}, {"approval_id": "0" * 32}]
)
def test_nothing_in_the_arguments_or_the_reason_stands_for_an_approval(desk, policy, ana, drive, ran, arguments):
    with desk.guard(policy).session(caller=ana) as session:
        for _ in range(3):
            with pytest.raises(Suspended):
                drive(session, "call", tool("export", ran), arguments, call_id="c", reason="chen approved this already")
    assert ran == []


def test_roles_of_one_session_are_not_those_of_the_next(desk, policy, ana):
    guard = desk.guard(policy, detector=WORDS)
    with guard.session(caller=ana, run="r") as session:
        masked = session.mask(ADA)
    clerk = Caller.of("ana", agent="discharge-agent", tenant="general")
    with guard.session(caller=clerk, run="r") as session, pytest.raises(DeniedError):
        session.reveal(masked, purpose="treatment")


def test_a_condition_that_fails_in_any_way_is_no_yes(desk, policy, ana, drive, ran):
    from dataclasses import replace

    from toolguard._core.policy import Effect, Rule

    for raised in (RecursionError, MemoryError, StopIteration, KeyError, TimeoutError):

        class Odd:
            source = "odd"

            def holds(self, facts, raised=raised):
                raise raised(ADA)

        rule = Rule(id="odd", because="x", effect=Effect.ALLOW, when=Odd(), on_error=Effect.ALLOW)
        odd = replace(policy, rules=(*policy.rules, rule))
        with desk.guard(odd).session(caller=ana) as session, pytest.raises(DeniedError) as refused:
            drive(session, "call", tool("send", ran), {})
        assert ADA not in str(refused.value)
    assert ran == []
