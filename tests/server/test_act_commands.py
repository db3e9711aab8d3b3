"""Acts from a terminal, against the running service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from authority.ward import human
from server.process import Running, configure, start, stop, wait_for
from server.visitors import Visitors, code_for, factors_of
from toolguard._core.approver import ApproverRule, StandingLimits
from toolguard._core.audit import Kind
from toolguard.authority import Answer, Approval, State
from toolguard.cli.approvals import app as approvals
from toolguard.cli.audit import app as audit
from toolguard.cli.freeze import app as freeze
from toolguard.cli.people import app as people

OFFICERS = ("group:privacy-officers",)
LENIENT = ApproverRule(name="lenient", approvers=OFFICERS, standing=StandingLimits(seconds=3600.0, uses=5))
SURE = ApproverRule(name="sure", approvers=OFFICERS, step_up=True)
URGENT = ApproverRule(name="urgent", approvers=OFFICERS, break_glass=("group:emergency",))
CLEAR = "dana.whitfield@example.org"


def said(running: Running, who: str, app: typer.Typer, *arguments: str, exits: int = 0) -> str:
    environment = {
        "TOOLGUARD_SERVICE_URL": running.url,
        "TOOLGUARD_TOKEN": running.visitors.secret(who),
        "COLUMNS": "200",
    }
    done = CliRunner().invoke(app, list(arguments), env=environment)
    assert done.exit_code == exits, done.output
    return done.output


def state(running: Running, approval: Approval) -> State:
    return running.ward.read(approval.id).state


def test_approving_shows_what_decides_it_in_clear_first(running: Running) -> None:
    asked = running.ward.ask(decisive={"recipient": "…@example.org"}, sealed={"recipient": CLEAR})
    out = said(running, "ada", approvals, "approve", asked.id, "--reason", "checked", "--yes")
    assert CLEAR in out
    assert state(running, asked) is State.APPROVED
    assert CLEAR not in said(running, "ada", approvals, "show", asked.id)
    other = running.ward.ask(decisive={"recipient": "…@example.org"}, sealed={"recipient": CLEAR})
    assert CLEAR in said(running, "grace", approvals, "reveal", other.id, "--purpose", "a look")


def test_a_code_is_given_with_the_answer(running: Running) -> None:
    asked, code = running.ward.ask(rules=(SURE,)), code_for(running.ward, "ada")
    arguments = ("approve", asked.id, "--reason", "checked", "--yes")
    assert "step_up_required" in said(running, "ada", approvals, *arguments, exits=1)
    said(running, "ada", approvals, *arguments, "--code", code)
    assert state(running, asked) is State.APPROVED


def test_a_yes_stands_is_listed_and_ended(running: Running) -> None:
    asked = running.ward.ask(rules=(LENIENT,))
    terms = ("--for", "30m", "--uses", "3", "--vary", "body")
    said(running, "ada", approvals, "approve", asked.id, "--reason", "the same each hour", "--yes", *terms)
    assert "3 of 3" in said(running, "grace", approvals, "standing", "list")
    (found,) = json.loads(said(running, "grace", approvals, "standing", "list", "--json"))
    assert (found["approval"], found["vary"]) == (asked.id, [{"argument": "body", "at_most": None}])
    said(running, "grace", approvals, "standing", "end", found["id"], "--reason", "enough")
    assert "no yes stands" in said(running, "grace", approvals, "standing", "list")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--uses", "3"),
        ("--for", "30m"),
        ("--for", "soon", "--uses", "1"),
        ("--for", "1h", "--uses", "1", "--vary", "a<=x"),
    ],
)
def test_terms_that_make_no_sense_are_refused_before_anything_is_sent(running: Running, wrong: tuple[str, ...]) -> None:
    asked = running.ward.ask(rules=(LENIENT,))
    said(running, "ada", approvals, "approve", asked.id, "--reason", "x", "--yes", *wrong, exits=2)
    assert state(running, asked) is State.PENDING


def test_an_emergency_from_request_to_review(running: Running) -> None:
    asked = running.ward.ask(rules=(URGENT,), subject="v1:patient-7", risk_class="read")
    code = code_for(running.ward, "ruiz")
    out = said(running, "ruiz", approvals, "break-glass", asked.id, "--reason", "bleeding", "--code", code)
    assert "will be reviewed" in out
    assert state(running, asked) is State.BREAK_GLASS
    (due,) = json.loads(said(running, "rena", approvals, "reviews", "--json"))
    assert "bleeding" in said(running, "rena", approvals, "reviews")
    said(running, "rena", approvals, "review", due["id"], "--finding", "justified", "--reason", "it was")
    assert "no emergency waits" in said(running, "rena", approvals, "reviews")
    said(running, "ada", approvals, "revoke", asked.id, "--reason", "over")
    assert state(running, asked) is State.REVOKED


def test_proposing_other_arguments(running: Running) -> None:
    asked = running.ward.ask()
    said(running, "ada", approvals, "propose", asked.id, "--arguments", "no json", "--reason", "x", exits=2)
    wanted = '{"to": "<EMAIL_1>", "body": "Please call."}'
    said(running, "ada", approvals, "propose", asked.id, "--arguments", wanted, "--reason", "less in writing")
    assert state(running, asked) is State.SUPERSEDED
    assert "Please call." in said(running, "ada", approvals, "show", asked.id)


def test_freezing_and_lifting(running: Running) -> None:
    asked = running.ward.ask(agent="discharge-assistant")
    out = said(running, "sid", freeze, "agent", "discharge-assistant", "--reason", "odd")
    id_ = out.split("frozen: ")[1][:32]
    assert state(running, asked) is State.INVALIDATED
    assert "discharge-assistant" in said(running, "tess", freeze, "list")
    assert "second_person" in said(running, "sid", freeze, "lift", id_, "--reason", "fine", exits=1)
    said(running, "tess", freeze, "lift", id_, "--reason", "looked into it")
    assert "nothing is frozen" in said(running, "tess", freeze, "list")
    said(running, "ada", freeze, "tenant", "--reason", "x", exits=1)


def test_who_has_a_second_factor_freezes_with_it(running: Running) -> None:
    code = code_for(running.ward, "tess")
    arguments = ("agent", "made-up-agent", "--reason", "odd")
    assert "step_up_required" in said(running, "tess", freeze, *arguments, exits=1)
    id_ = said(running, "tess", freeze, *arguments, "--code", code).split("frozen: ")[1][:32]
    said(running, "sid", freeze, "lift", id_, "--reason", "looked into it")
    factors_of(running.ward).remove("tess")


def test_commenting_and_reading_comments(running: Running) -> None:
    asked = running.ward.ask()
    assert "nobody has commented" in said(running, "ada", approvals, "comments", asked.id)
    out = said(running, "ada", approvals, "comment", asked.id, "--text", f"is it {CLEAR}? \u202e[bold]no[/]")
    assert CLEAR not in out
    assert "\\u202E[bold]no[/]" in out
    said(running, "ruiz", approvals, "comment", asked.id[:12], "--text", "ward 7\n\nsecond line")
    listed = said(running, "grace", approvals, "comments", asked.id)
    assert "Ana Ruiz (asking side)" in listed
    assert "  ward 7\n  \n  second line" in listed
    assert [c["side"] for c in json.loads(said(running, "ada", approvals, "comments", asked.id, "--json"))] == [
        "approver",
        "asking",
    ]
    running.ward.decide(human("grace"), asked)
    running.ward.decide(human("grace"), running.ward.read(asked.id), Answer.DENY)
    assert "decided" in said(running, "ada", approvals, "comment", asked.id, "--text", "too late", exits=5)


def test_statistics(running: Running) -> None:
    running.ward.decide(human("joan"), running.ward.ask())
    out = said(running, "rena", approvals, "stats", "--hours", "1")
    assert "joan" in out
    assert "emergencies without a review" in out
    assert json.loads(said(running, "rena", approvals, "stats", "--json"))["requests"] >= 1


def test_enrolling_a_factor_and_looking_at_coverage(running: Running) -> None:
    config = ("--config", str(running.ward.folder / "toolguard.toml"))
    assert "otpauth://totp/" in said(running, "ada", people, "factor", "enrol", "joan", *config)
    said(running, "ada", people, "factor", "enrol", "nobody", *config, exits=3)
    said(running, "ada", people, "factor", "remove", "joan", *config)
    said(running, "ada", people, "factor", "remove", "joan", *config, exits=1)
    everyone = ("coverage", "group:privacy-officers", "--tenant", "st-marys", *config)
    assert "2 or more" in said(running, "ada", people, *everyone, "--quorum", "2", "--hours", "2")
    assert '"present": 4' in said(running, "ada", people, *everyone, "--quorum", "9", "--hours", "2", "--json", exits=1)


def test_t16_the_downtime_procedure_a_second_service_takes_over_and_the_glass_is_broken_there(tmp_path: Path) -> None:
    """The first service is killed; another is started with the same configuration, and the emergency goes on there."""
    ward = configure(tmp_path)
    first = start(tmp_path, "--port", "0", "--ready-file", str(tmp_path / "ready.json"))
    wait_for(first, tmp_path)
    asked = ward.ask(rules=(URGENT,), subject="v1:patient-7", risk_class="read")
    first.kill()
    first.communicate(timeout=20)
    (tmp_path / "ready.json").unlink()
    code = code_for(ward, "ruiz")
    second = start(tmp_path, "--port", "0", "--ready-file", str(tmp_path / "ready.json"))
    running = Running(ward, Visitors(ward), wait_for(second, tmp_path), second)
    said(running, "ruiz", approvals, "break-glass", asked.id, "--reason", "bleeding", "--code", code)
    assert state(running, asked) is State.BREAK_GLASS
    assert "bleeding" in said(running, "rena", approvals, "reviews")
    stop(second)
    ward.store.close()


def test_a_standing_approval_is_reviewed_by_somebody_who_had_no_part_in_it(running: Running) -> None:
    asked = running.ward.ask(rules=(LENIENT,))
    terms = ("--for", "30m", "--uses", "3")
    said(running, "ada", approvals, "approve", asked.id, "--reason", "the same each hour", "--yes", *terms)
    act = running.ward.acts()[-1].id
    says = ("--finding", "justified", "--reason", "looked at the calls it let run")
    assert "not_on_duty" in said(running, "ada", audit, "review", act, *says, exits=1)
    code = code_for(running.ward, "rena")
    assert said(running, "rena", audit, "review", act, *says, "--code", code) == "reviewed\n"
    record = [r for r in running.ward.store.records() if r.draft.kind is Kind.AUDIT_REVIEW][-1]
    assert record.draft.body["toolguard.review.subject"] == act
    assert record.draft.body["toolguard.approver.id"] == "rena"
    assert record.draft.body["toolguard.approver.assured"] == "stepped_up"
    said(running, "rena", audit, "review", act, *says, exits=4)
