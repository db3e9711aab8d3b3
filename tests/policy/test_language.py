"""Times, what tools say of themselves, networks, obligations and pack versions, as a policy writes them."""

from __future__ import annotations

from typing import Any

import pytest

from policy.support import ENGINE, decided, facts, holds, policy
from toolguard import Caller, Guard
from toolguard._core.audit import AuditRecord, Kind
from toolguard._core.call import Annotations, Tool
from toolguard._core.flow.items import most_items
from toolguard._core.policy import Effect, Policy
from toolguard._core.window import moment
from toolguard.errors import PolicyError, ResultWithheldError
from toolguard.testing import NoDetector

MON, FRI, SAT, SUN = 0, 4, 5, 6


def ruled(match: str, effect: str = "deny", more: str = "") -> Policy:
    return policy(f"tools: {{t: {{}}}}\nrules: [{{id: r, because: b, effect: {effect}, match: {match}{more}}}]")


WINDOWS = [
    ("{hours: '08:00-18:00'}", MON, "08:00", True),
    ("{hours: '08:00-18:00'}", MON, "07:59", False),
    ("{hours: '08:00-18:00'}", MON, "17:59", True),
    ("{hours: '08:00-18:00'}", MON, "18:00", False),
    ("{hours: '22:00-06:00'}", MON, "21:59", False),
    ("{hours: '22:00-06:00'}", MON, "23:59", True),
    ("{hours: '22:00-06:00'}", MON, "00:00", True),
    ("{hours: '22:00-06:00'}", MON, "06:00", False),
    ("{hours: '00:00-24:00'}", MON, "23:59", True),
    ("{days: [sat, sun]}", SUN, "12:00", True),
    ("{days: [sat, sun]}", FRI, "12:00", False),
    ("{hours: '22:00-06:00', days: fri}", FRI, "23:00", True),
    ("{hours: '22:00-06:00', days: fri}", SAT, "05:00", True),
    ("{hours: '22:00-06:00', days: fri}", FRI, "05:00", False),
    ("{hours: '22:00-06:00', days: sun}", MON, "01:00", True),
    ("{hours: ['06:00-07:00', '12:00-13:00']}", MON, "12:30", True),
    ("{hours: ['06:00-07:00', '12:00-13:00']}", MON, "07:30", False),
]


@pytest.mark.parametrize(("window", "day", "clock", "inside"), WINDOWS)
def test_a_rule_holds_at_its_times(window: str, day: int, clock: str, inside: bool) -> None:
    given = facts(hour=int(clock[:2]), minute=int(clock[3:]), weekday=day)
    assert (decided(ruled(f"{{time: {window}}}"), given).effect is Effect.DENY) is inside


@pytest.mark.parametrize(
    ("offset", "inside"), [("+00:00", True), ("+01:00", True), ("+02:00", False), ("-00:30", False), ("+01:59", True)]
)
def test_a_rule_may_name_its_own_offset_from_utc(offset: str, inside: bool) -> None:
    friday_ten_pm = 1_700_000_000 - 1_700_000_000 % 86400 + 3 * 86400 + 22 * 3600  # 17 November 2023, 22:00 UTC
    assert moment(friday_ten_pm).day == FRI
    loaded = ruled(f"{{time: {{hours: '22:00-24:00', days: fri, utc_offset: '{offset}'}}}}")
    assert (decided(loaded, facts(now=float(friday_ten_pm), hour=3)).effect is Effect.DENY) is inside


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ("{hours: '8-18'}", "a span of hours in quotes"),
        ("{hours: '25:00-26:00'}", "a span of hours in quotes"),
        ("{hours: '08:00-08:00'}", "ends when it begins"),
        ("{hours: []}", "must not be an empty list"),
        ("{days: monday}", "did you mean 'mon'"),
        ("{utc_offset: '+01:00'}", "neither hours nor days"),
        ("{hours: '08:00-18:00', utc_offset: 'CET'}", "an offset from UTC"),
        ("{hour: 8}", "did you mean 'hours'"),
        ("{}", "neither hours nor days"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(window: str, told: str) -> None:
    with pytest.raises(PolicyError, match="1 fault") as caught:
        ruled(f"{{time: {window}}}")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("seconds", "day", "minute"), [(0, 3, 0), (86399, 3, 1439), (86400, 4, 0), (-60, 2, 1439), (1_700_000_000, 1, 1333)]
)
def test_seconds_become_what_a_wall_clock_shows(seconds: float, day: int, minute: int) -> None:
    assert (moment(seconds).day, moment(seconds).minute) == (day, minute)


SAYS: list[tuple[dict[str, Any], str, bool, bool]] = [
    # what the tool says, what the rule matches, matched by a rule that restricts, by one that allows
    ({"destructive": True}, "{destructive: true}", True, True),
    ({"destructive": True, "trusted": True}, "{destructive: true}", True, True),
    ({"destructive": False}, "{destructive: true}", True, False),
    ({"destructive": False, "trusted": True}, "{destructive: true}", False, False),
    ({}, "{destructive: true}", True, False),
    ({"read_only": True}, "{read_only: true}", True, False),
    ({"read_only": True, "trusted": True}, "{read_only: true}", True, True),
    ({"read_only": True}, "{read_only: false}", True, False),
    ({"read_only": False}, "{read_only: false}", True, True),
    ({"read_only": False}, "{read_only: true}", False, False),
    ({}, "{read_only: true}", True, False),
    ({"open_world": True, "idempotent": False}, "{open_world: true, idempotent: false}", True, True),
    ({"open_world": True, "idempotent": True}, "{open_world: true, idempotent: false}", True, False),
]


@pytest.mark.parametrize(("says", "match", "restricted", "allowed"), SAYS)
def test_what_a_tool_says_of_itself_is_believed_only_against_itself(
    says: dict[str, Any], match: str, restricted: bool, allowed: bool
) -> None:
    tool = Tool.describe("t", source="app", annotations=Annotations(**says))
    assert bool(ruled(f"{{annotations: {match}}}").plan(tool).rules) is restricted
    assert bool(ruled(f"{{annotations: {match}}}", "allow").plan(tool).rules) is allowed


@pytest.mark.parametrize(("match", "told"), [("{readOnly: true}", "did you mean 'read_only'"), ("{}", "no annotation")])
def test_annotations_are_named_in_our_words(match: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        ruled(f"{{annotations: {match}}}")
    assert told in str(caught.value)


NETWORKS = [
    ("10.0.0.7", True),
    ("10.255.255.255", True),
    ("11.0.0.1", False),
    ("http://10.1.2.3:8080/x", True),
    ("http://[fd00::1]/", True),
    ("fd00::1", True),
    ("fe80::1", False),
    ("::ffff:10.0.0.1", True),
    ("http://[::ffff:10.0.0.1]/", True),
    ("host.example", "evaluation"),
    ("10.1", "evaluation"),
    ("0x0a000001", "evaluation"),
    ("", "evaluation"),
    ("10.0.0.1 ", "evaluation"),
    (["10.0.0.1", "10.0.0.2"], True),
    (["10.0.0.1", "11.0.0.2"], False),
    ([], "evaluation"),
    (None, "wrong_type"),
    (7, "wrong_type"),
]


@pytest.mark.parametrize(("address", "answer"), NETWORKS)
def test_cidr_contains_answers_for_addresses_and_cannot_tell_of_names(address: object, answer: bool | str) -> None:
    assert holds('cidr_contains(["10.0.0.0/8", "fd00::/8"], args.ip)', {"ip": address}, allows=True) == answer


def test_cidr_contains_takes_one_network_too() -> None:
    assert holds('cidr_contains("10.0.0.0/8", args.ip)', {"ip": "10.0.0.1"}) is True


@pytest.mark.parametrize("network", ["10.0.0.0/33", "10.0.0.1/8", "hospital", "10.0.0.0/8 "])
def test_a_network_that_is_none_does_not_load(network: str) -> None:
    assert "is not a network" in ENGINE.check(f'cidr_contains("{network}", args.ip)')[0].message


@pytest.mark.parametrize(
    ("text", "answer"), [("DROP table", True), ("dr\u043ep table", True), ("%64rop x", True), ("read", False)]
)
def test_matches_sees_the_text_as_it_looks(text: str, answer: bool) -> None:
    assert holds('args.q.matches("(?i)^drop ")', {"q": text}) is answer


TIMES = [
    ('weekday == "sun" && hour == 7 && minute == 5', True),
    ('weekday in ["sat", "sun"]', True),
    ('weekday == "mon"', False),
    ("now.getFullYear() == 2023", True),
    ('now - timestamp("2023-11-14T00:00:00Z") < duration("24h")', True),
    ('now.getHours("America/New_York") == 17', True),
    ("now > timestamp(args.until)", False),
]


@pytest.mark.parametrize(("source", "answer"), TIMES)
def test_a_condition_knows_the_time(source: str, answer: bool) -> None:
    given = {"hour": 7, "minute": 5, "weekday": SUN, "now": 1_700_000_000.0}
    assert holds(source, {"until": "2099-01-01T00:00:00Z"}, **given) is answer


ITEMS: list[tuple[object, int]] = [
    ([1, 2, 3], 3),
    ({"entry": [{}, {}], "total": 2}, 2),
    ({"a": {"b": {"rows": [[1, 2, 3, 4], [1]]}}}, 4),
    ("[1, 2, 3, 4]", 4),
    ('{"entry": [1, 2]}', 2),
    ('{"id": 1}\n{"id": 2}\n\n{"id": 3}\n', 3),
    ('["[1, 2, 3]"]', 3),
    ("One sentence.\nAnother.", 1),
    ("one\ntwo\nthree", 3),
    ("id,name\n1,Ann\n2,Bo", 2),
    ("[not json", 1),
    ({"x": 1}, 1),
    (None, 1),
    ([], 0),
]


@pytest.mark.parametrize(("value", "count"), ITEMS)
def test_items_are_counted_wherever_a_result_keeps_them(value: object, count: int) -> None:
    assert most_items(value) == count


def test_what_is_nested_too_deeply_to_be_counted_is_too_much() -> None:
    deep: object = [1]
    for _ in range(40):
        deep = [deep]
    assert most_items(deep) > 10**6


LIMITED = "tools: {look: {risk: low}}\nrules: [{id: few, because: b, effect: allow, max_results: 2%s}]"


def ran(text: str, rows: int) -> tuple[Any, list[AuditRecord]]:
    kept: list[AuditRecord] = []

    class Keep:
        def emit(self, records: Any) -> None:
            kept.extend(records)

    def look() -> list[int]:
        """Look something up."""
        return list(range(rows))

    caller = Caller.of("ana", agent="bot", tenant="ward")
    with Guard(policy(text), detector=NoDetector(), sinks=[Keep()]) as guard, guard.session(caller=caller) as session:
        try:
            return session.call(look), kept
        except ResultWithheldError as error:
            return error, kept


def test_a_result_with_more_items_than_allowed_is_withheld_after_the_tool_ran() -> None:
    shown, _ = ran(LIMITED % "", 2)
    assert shown == [0, 1]
    withheld, records = ran(LIMITED % "", 3)
    assert "more than the 2 items" in str(withheld)
    assert records[-1].draft.body["toolguard.result.withheld"] is True


def test_the_smallest_of_several_limits_holds() -> None:
    both = (LIMITED % "").replace("]", ", {id: fewer, because: b, effect: allow, max_results: 1}]")
    assert decided(policy(both), facts(tool="look")).obligations.max_results == 1


def test_a_full_record_says_what_led_to_the_decision_and_a_minimal_one_does_not() -> None:
    def body(text: str) -> dict[str, Any]:
        return next(dict(r.draft.body) for r in ran(text, 1)[1] if r.draft.kind is Kind.CALL_DECIDED)

    full = body(LIMITED % ", log: full, controls: 'soc2:CC6.7'")
    assert full["toolguard.policy.rule.effects"] == ["few:allow"]
    assert full["toolguard.risk.evidence"]
    assert full["toolguard.policy.controls"] == ["soc2:CC6.7"]
    minimal = body(LIMITED % ", log: minimal")
    assert (
        not {"toolguard.policy.rule.effects", "toolguard.risk.evidence", "toolguard.policy.controls"} & minimal.keys()
    )


PACK = b"apiVersion: toolguard/v1\nkind: ToolPolicy\nmetadata: {name: base, version: 1.4}\nrules: []\n"


@pytest.mark.parametrize(
    ("wanted", "fits"), [("", True), ("@1", True), ("@1.4", True), ("@1.4.0", False), ("@2", False), ("@1.3", False)]
)
def test_a_policy_may_ask_for_a_version_of_a_pack(wanted: str, fits: bool) -> None:
    text = f"include: ['pack:base{wanted}']"
    if fits:
        assert policy(text, packs=lambda _: PACK).packs == ("base@1.4",)
        return
    with pytest.raises(PolicyError, match=r"pack 'base' is version 1\.4, and .* is asked for"):
        policy(text, packs=lambda _: PACK)


def test_a_pack_is_included_once_whatever_versions_are_asked_for() -> None:
    with pytest.raises(PolicyError, match="included twice"):
        policy("include: ['pack:base@1', 'pack:base']", packs=lambda _: PACK)


SHADOWED = """
tools: {t: {results: pass}}
rules:
- {id: tried, because: b, effect: deny, shadow: true, results: mask, max_results: 1, max_result_chars: 1, log: full,
   args: {x: mask}, controls: 'a:1', approval: default, on_error: require_approval, when: 'args.gone == 1'}
"""


def test_a_shadow_rule_obliges_to_nothing_whatever_it_says_and_whatever_fails_in_it() -> None:
    quiet = decided(policy("tools: {t: {results: pass}}"), facts({"x": "y"}))
    loud = decided(policy(SHADOWED), facts({"x": "y"}))
    assert (loud.effect, loud.would, loud.reason_code) == (quiet.effect, quiet.would, quiet.reason_code)
    assert loud.obligations == quiet.obligations
    assert (loud.approver_rules, loud.rule_ids, loud.controls) == ((), (), ())
    assert [(f.id, f.error) for f in loud.fired] == [("tried", "missing_argument")]
