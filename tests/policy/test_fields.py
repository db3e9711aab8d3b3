"""A field a policy file may hold reaches the core and decides something: none is read and then forgotten."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from policy.support import APPROVALS, decided, facts, found, policy, risk
from toolguard import Effect
from toolguard._core.history import After, By, History, Past, Patients, Pattern, Rate
from toolguard._core.policy import ApproverRule, Defaults, Match, Rule, ToolRule
from toolguard._core.provenance import Aim, CameFrom, Provenance, Traced
from toolguard.policyfile.models import ApprovalModel, DefaultsModel, MatchModel, RuleModel, ToolModel

DOCS = Path(__file__).parents[2] / "docs" / "policy.md"
ONLY_IN_FILES = {"on_expiry"}
"""A word with one value: it is there for the reader."""
ONLY_IN_CORE = {"all_origins", "line", "name", "pattern", "said"}


@pytest.mark.parametrize(
    ("model", "kept"),
    [
        (MatchModel, Match),
        (RuleModel, Rule),
        (ToolModel, ToolRule),
        (ApprovalModel, ApproverRule),
        (DefaultsModel, Defaults),
    ],
)
def test_the_file_and_the_core_have_the_same_fields(model, kept):
    core = {f.name for f in fields(kept)}
    if "past" in core:  # what is about the time before the call stands together
        core = core - {"past"} | {f.name for f in fields(Past)} - {"reads"}
    assert set(model.model_fields) - ONLY_IN_FILES == core - ONLY_IN_CORE


def came(origin):
    return Provenance(traced=(Traced(path=("to",), aim=Aim.PLACE, came=origin),))


FITS = {
    "tool": ("t*", {}, {"tool": "other"}),
    "category": ("exfiltration", {"risk": risk("low", "exfiltration")}, {"risk": risk("low", "read")}),
    "role": ("clinician", {"roles": {"clinician"}}, {"roles": {"clerk"}}),
    "agent": ("ward-*", {"agent": "ward-assistant"}, {"agent": "billing"}),
    "data": ("MRN", {"data": {"q": "77"}, "present": found({"q": "77"}, MRN="q")}, {"data": {"q": "77"}}),
    "environment": ("production", {"environment": "production"}, {"environment": "test"}),
    "min_risk": ("high", {"risk": risk("high")}, {"risk": risk("medium")}),
    "time": ("{hours: '22:00-06:00', days: sat}", {"hour": 1, "weekday": 6}, {"hour": 1, "weekday": 5}),
    "after": (
        "{tool: 'web_*', within: 1h}",
        {"history": History(counts={After(calls=Pattern(tool=("web_*",)), within=3600.0): 1})},
        {"history": History(counts={After(calls=Pattern(tool=("web_*",)), within=3600.0): 0})},
    ),
    "more_than": (
        "{calls: 2, per: 1h, by: agent}",
        {"history": History(counts={Rate(calls=Pattern(), most=2, per=3600.0, by=By.AGENT): 3})},
        {"history": History(counts={Rate(calls=Pattern(), most=2, per=3600.0, by=By.AGENT): 2})},
    ),
    "patients": (
        "{more_than: 2, per: 1d}",
        {"history": History(counts={Patients(most=2, per=86400.0, by=By.PERSON): 3})},
        {"history": History(counts={Patients(most=2, per=86400.0, by=By.PERSON): 2})},
    ),
    "taint": ("untrusted", {"history": History(taints=frozenset({"untrusted"}))}, {"history": History()}),
    "label": ("unknown", {"history": History(labels=frozenset({"unknown"}))}, {"history": History()}),
    "origin": ("result", {"provenance": came(CameFrom.RESULT)}, {"provenance": came(CameFrom.USER)}),
    "annotations": ("{destructive: true}", {"says": {"destructive": True}}, {"says": {"destructive": False}}),
}
"""Per field of ``match``: a value, a call it fits, and one it does not."""


def test_every_field_of_match_is_tried():
    assert FITS.keys() == MatchModel.model_fields.keys()


@pytest.mark.parametrize("model", [MatchModel, RuleModel])
def test_every_field_stands_in_a_table_of_the_documentation(model):
    rows = [line for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)", row.split(" | ")[0])}
    assert model.model_fields.keys() - named == set()


def quoted(value):
    return value if value.startswith("{") else f"'{value}'"


@pytest.mark.parametrize("name", FITS)
def test_a_field_of_match_decides(name):
    value, inside, outside = FITS[name]
    loaded = policy(
        APPROVALS
        + "tools: {t: {}, other: {}}\ndefaults: {by_risk: {high: allow}}\n"
        + f"rules: [{{id: r, because: b, effect: deny, match: {{{name}: {quoted(value)}}}}}]"
    )
    assert decided(loaded, facts(**inside)).effect is Effect.DENY
    assert decided(loaded, facts(**outside)).effect is Effect.ALLOW


def test_the_caps_on_questions_reach_the_core():
    loaded = policy("defaults: {per_run: 7, per_person: 9}\n")
    assert (loaded.defaults.per_run, loaded.defaults.per_person) == (7, 9)
