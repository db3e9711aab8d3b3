"""What holds for every policy and every history."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from history.test_rules import play, rule
from policy.support import APPROVALS, decided, facts, policy
from toolguard import Effect
from toolguard._core.call import Annotations, Tool
from toolguard._core.content import taints
from toolguard._core.history import (
    LABELS,
    NO_HISTORY,
    TAINTS,
    UNREAD,
    After,
    By,
    Carried,
    History,
    Past,
    Patients,
    Pattern,
    Rate,
)
from toolguard._core.policy import Decision, Match, Policy, Rule
from toolguard._core.risk import Risk, RiskClass, RiskLevel
from toolguard._core.toolrule import ToolRule
from toolguard.errors import StoreError

PATTERNS = [Pattern(tool=("web_*",)), Pattern(category=frozenset({"read"}))]
AFTERS = [After(calls=p, within=w) for p in PATTERNS for w in (0.0, 60.0)]
RATES = [Rate(calls=p, most=m, per=60.0, by=b) for p in PATTERNS for m in (0, 2) for b in By]
BUDGETS = [Patients(most=m, per=60.0, by=b) for m in (0, 3) for b in By]
COUNTED: list[Any] = [*AFTERS, *RATES, *BUDGETS]

pasts = st.builds(
    Past,
    after=st.none() | st.sampled_from(AFTERS),
    more_than=st.none() | st.sampled_from(RATES),
    patients=st.none() | st.sampled_from(BUDGETS),
    taint=st.frozensets(st.sampled_from(sorted(TAINTS))),
    label=st.frozensets(st.sampled_from(sorted(LABELS))),
)
rules = st.builds(
    Rule,
    id=st.text("abcdef", min_size=6, max_size=6),
    because=st.just("b"),
    effect=st.sampled_from([Effect.MASK, Effect.REQUIRE_APPROVAL, Effect.DENY]),
    match=st.builds(Match, past=pasts),
    shadow=st.booleans(),
)
policies = st.builds(
    lambda some: Policy(id="p", version="1", sha256="0" * 64, tools=(ToolRule(pattern="t"),), rules=tuple(some)),
    st.lists(rules, max_size=6, unique_by=lambda r: r.id),
)
counts = st.fixed_dictionaries({counted: st.integers(0, 5) for counted in COUNTED})
histories = st.builds(
    History,
    taints=st.frozensets(st.sampled_from(sorted(TAINTS))),
    labels=st.frozensets(st.sampled_from(sorted(LABELS))),
    counts=counts,
)


def under(some: Policy, history: History) -> Decision:
    return decided(some, facts(history=history))


@given(policies, histories, histories)
@settings(max_examples=60)
def test_more_history_never_makes_a_decision_milder(some, one, more):
    grown = History(
        taints=one.taints | more.taints,
        labels=one.labels | more.labels,
        counts={c: one.counts[c] + more.counts[c] for c in COUNTED},
    )
    assert under(some, grown).effect >= under(some, one).effect >= under(some, NO_HISTORY_COUNTED).effect
    fired = {f.id for f in under(some, one).fired}
    assert fired <= {f.id for f in under(some, grown).fired}


NO_HISTORY_COUNTED = History(counts=dict.fromkeys(COUNTED, 0))


@given(policies, histories)
@settings(max_examples=40)
def test_a_history_nobody_could_read_is_the_worst_there_is(some, known):
    assert under(some, UNREAD).effect >= under(some, known).effect
    for fired in under(some, UNREAD).fired:
        matched = next(r for r in some.rules if r.id == fired.id)
        assert fired.error == ("history_unread" if matched.match.past and matched.match.past.matches else None)


@given(policies, histories)
@settings(max_examples=60)
def test_a_binding_rule_that_may_come_to_match_is_near_by_something_that_keeps_it_from_matching(some, known):
    decision = under(some, known)
    for one in some.rules:
        past = one.match.past
        if past.met(known) is False and not one.shadow:
            near = past.near(known)
            if near is None:  # only that a file is unknown could make it match, and files don't become so
                assert past.label == {"unknown"}
            else:
                assert near in decision.near
                assert past.met(grown(known, near)) is not False or past.near(grown(known, near)) != near
    assert not [near for near in decision.near if holds(near, known)]


def holds(near, known):
    if isinstance(near, Carried):
        return not near.words.isdisjoint(known.taints if near.kind == "taint" else known.labels)
    return known.counts[near] > getattr(near, "most", 0)


def grown(known, near):
    """The history in which ``near`` holds."""
    if not isinstance(near, Carried):
        return replace(known, counts={**known.counts, near: getattr(near, "most", 0) + 1})
    if near.kind == "taint":
        return replace(known, taints=known.taints | near.words)
    return replace(known, labels=known.labels | near.words)


@given(st.lists(st.sampled_from(["a*", "B?", "c"]), max_size=3), st.sets(st.sampled_from(["read", "write"])))
def test_a_patterns_key_does_not_depend_on_order_or_case(globs, classes):
    one = Pattern(tool=tuple(globs), category=frozenset(classes))
    other = Pattern(tool=tuple(g.swapcase() for g in reversed(globs)), category=frozenset(classes))
    assert one.key == other.key
    assert Pattern(tool=("a", "b")).key != Pattern(tool=("a b",)).key


# --- what cannot be read lets nothing run


class Deaf:
    """A store whose marks cannot be read."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def tally(self, tenant, asks):
        raise StoreError("the store is not there; nothing was read")


def test_where_history_cannot_be_read_the_call_does_not_run_and_that_is_recorded(ward):
    guard = ward.guard([rule({"tool": "clock", "taint": ["untrusted"]}, "mask")], store=Deaf(ward.desk.store))
    with guard.session(caller=ward.person()) as session:
        with pytest.raises(StoreError):
            session.call(ward.tool("clock"))
        assert play(ward, session, ["chart"]) == ["ran"]  # no rule asks
    assert ward.ran == [("chart", "1")]
    refused = next(r.draft.body for r in ward.desk.store.records() if r.draft.kind == "call.decided")
    assert refused["toolguard.decision.outcome"] == "denied"
    assert refused["toolguard.decision.reason_code"] == "store"


def test_an_allow_that_asks_an_unread_history_does_not_allow():
    loaded = policy(
        APPROVALS
        + "tools: {t: {}}\ndefaults: {by_risk: {low: deny, medium: deny}}\n"
        + "rules: [{id: r, because: b, effect: allow, match: {after: {tool: u}}}]"
    )
    assert decided(loaded, facts()).effect is Effect.DENY
    after = loaded.rules[0].match.past.after
    risky = facts(history=History(counts={after: 1}))
    assert [f.error for f in decided(loaded, risky).fired] == [None]
    assert [f.error for f in decided(loaded, facts(history=NO_HISTORY)).fired] == ["history_unread"]


# --- whose results taint, where the policy does not say

READ = Risk(risk_class=RiskClass.READ, level=RiskLevel.LOW)
CODE = Risk(risk_class=RiskClass.CODE_EXECUTION, level=RiskLevel.HIGH)
TOOLS = {
    "the web": (("fetch_page", "Fetch a web page"), True),
    "a search of the web": (("search", "Search the internet"), True),
    "mail": (("gmail.list_messages", "List mail"), True),
    "a file": (("readFile", ""), True),
    "documents": (("knowledge_lookup", "Passages of documents"), True),
    "notes": (("get_notes", "Clinical notes of a visit"), True),
    "a shell": (("run", "Run a command"), True),
    "sending": (("send_email", "Send a mail"), False),
    "writing a file": (("write_file", "Write a file"), False),
    "a clock": (("now", "Tell the time"), False),
    "a sum": (("add_numbers", "Add two numbers"), False),
    "a dose": (("max_dose", "The highest dose of a drug"), False),
}


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_taints_by_what_it_reads(name):
    (called, described), untrusted = TOOLS[name]
    tool = Tool.describe(called, source="app", description=described)
    risk = CODE if name == "a shell" else READ
    assert taints(ToolRule(pattern=called), tool, risk) is untrusted
    assert taints(ToolRule(pattern=called, content="trusted"), tool, risk) is False
    assert taints(ToolRule(pattern=called, content="untrusted"), tool, risk) is True
    assert taints(ToolRule(pattern=called, trusted_results=True), tool, risk) is False


@pytest.mark.parametrize(
    ("said", "untrusted"),
    [
        (Annotations(open_world=True), True),
        (Annotations(open_world=False), False),
        (Annotations(open_world=False, trusted=True), False),
    ],
)
def test_a_tool_that_says_it_reaches_out_is_believed_and_one_that_denies_it_only_if_trusted(said, untrusted):
    plain = Tool.describe("now", source="app", annotations=said)
    assert taints(ToolRule(pattern="now"), plain, READ) is untrusted
    web = Tool.describe("fetch_url", source="app", annotations=said)
    assert taints(ToolRule(pattern="fetch_url"), web, READ) is not (said.trusted and said.open_world is False)
