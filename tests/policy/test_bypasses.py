"""Ways in which peers' rules are walked around. None may become milder than what is written here."""

from __future__ import annotations

import pytest

from policy.support import decided, facts, holds, policy
from toolguard._core.policy import Effect, Handling

DROP = 'lower(args.action) == "drop"'

SAME_THING = [
    "drop",
    "DROP",
    "Drop",
    "drop ",
    " drop",
    "drop\u00a0",
    "drop\t\n",
    "dr\u043ep",  # Cyrillic o
    "\u0500rop".replace("\u0500", "\u0501"),  # Cyrillic d
    "dr\u03bfp",  # Greek o
    "d\u200brop",  # zero-width space
    "d\u2060rop",  # word joiner
    "dro\u00adp",  # soft hyphen
    "\ufeffdrop",  # byte order mark
    "dr\u202eop",  # right-to-left override
    "ｄｒｏｐ",  # full-width
    "𝐝𝐫𝐨𝐩",  # mathematical bold
    "d\ufe0frop",  # variation selector
    "dr\\u006fp",  # JSON escape in a string
    "%64rop",  # URL escape
    "%2564rop",  # twice
]


@pytest.mark.parametrize("written", SAME_THING)
def test_what_looks_like_a_denied_word_is_denied(written: str) -> None:
    assert holds(DROP, {"action": written}) is True


@pytest.mark.parametrize("written", [["drop"], {"action": "drop"}, [["drop"]], True, 1.5])
def test_a_value_of_another_kind_counts_as_matched(written: object) -> None:
    assert holds('args.action == "drop"', {"action": written}) == "wrong_type"


@pytest.mark.parametrize("written", ["read", "drops", "rop", "", "läsa", "прочитать"])
def test_other_words_do_not_match(written: str) -> None:
    assert holds(DROP, {"action": written}) is False


LIMIT = [
    (5000, True),
    ("5000", True),
    (" 5000 ", True),
    ("５０００", True),
    ("5e3", True),
    ("5000.0", True),
    (5000.0, True),
    (2**80, True),
    ("50", False),
    (50, False),
    ("0x1388", "wrong_type"),
    ("5,000", "wrong_type"),
    ("five thousand", "wrong_type"),
    (None, "wrong_type"),
    (True, "wrong_type"),
    ([5000], "wrong_type"),
    ({"value": 5000}, "wrong_type"),
    ("9" * 5000, "wrong_type"),
]


@pytest.mark.parametrize(("written", "answer"), LIMIT)
def test_a_limit_holds_however_the_number_is_written(written: object, answer: bool | str) -> None:
    assert holds("args.limit > 500", {"limit": written}) == answer


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ('args.body.to == "x"', {"body": '{"to": "x"}'}),
        ('args.body.to.exists(t, t == "x")', {"body": '{"to": ["y", "x"]}'}),
        ('args.body.list[0].to == "x"', {"body": {"list": '[{"to": "x"}]'}}),
        ("args.body.n > 5", {"body": '{"n": "6"}'}),
        ('"x" in args.to', {"to": '["x"]'}),
    ],
)
def test_json_inside_a_string_is_read_where_parts_are_expected(source: str, data: dict[str, object]) -> None:
    assert holds(source, data) is True


@pytest.mark.parametrize(
    ("source", "data", "answer"),
    [
        ('size(args) < 9 && args.action == "drop"', {"action": ["drop"]}, "wrong_type"),
        ("size(args) < 9 && args.limit > 500", {"limit": "5000"}, True),
        ('args.to.size() > 0 && args.to.contains("x")', {"to": ["x"]}, "wrong_type"),
        ('args.action.lowerAscii() == "drop"', {"action": "DR\u043eP"}, True),
        ('args.action.trim() == "7"', {"action": 7}, True),
    ],
)
def test_a_use_of_the_whole_does_not_hide_the_shape_of_a_part(
    source: str, data: dict[str, object], answer: bool | str
) -> None:
    assert holds(source, data) == answer


def test_an_escaped_path_is_the_path() -> None:
    for path in ("/Patient/$export", "/Patient/%24export", "/Patient/%2524export", "/Patient/＄export"):
        assert holds('args.path.contains("$export")', {"path": path}) is True


class TestFoldingNeverTalksARestrictionAway:
    """What looks the same is not the same host, so folding may add a match and never remove one."""

    lookalike = "hosp\u0456tal.example"

    def test_a_negated_comparison_still_matches_the_lookalike(self) -> None:
        assert holds('args.host != "hospital.example"', {"host": self.lookalike}) is True

    def test_an_allowing_condition_does_not_hold_for_the_lookalike(self) -> None:
        assert holds('args.host == "hospital.example"', {"host": self.lookalike}, allows=True) is False
        assert holds('args.host == "hospital.example"', {"host": "hospital.example"}, allows=True) is True

    def test_an_allowing_rule_that_cannot_be_told_asks_a_person(self) -> None:
        loaded = policy("tools: {t: {}}\nrules:\n- {id: a, because: x, effect: allow, when: 'args.to == \"x\"'}")
        assert decided(loaded, facts({"to": ["x"]})).effect is Effect.REQUIRE_APPROVAL
        assert decided(loaded, facts({})).effect is Effect.REQUIRE_APPROVAL


RULE = "rules:\n- {id: r, because: x, effect: %s, when: 'args.action == \"drop\"', match: {tool: 'db.*'}}\ntools: {'db.*': {}}"


@pytest.mark.parametrize("effect", ["allow", "mask", "require_approval", "deny"])
def test_a_missing_argument_counts_as_matched_with_the_more_severe_effect(effect: str) -> None:
    decision = decided(policy(RULE % effect), facts({}, tool="db.run"))
    assert decision.effect is max(Effect[effect.upper()], Effect.REQUIRE_APPROVAL)
    assert decision.fired[0].error == "missing_argument"
    assert decision.reason_code == "rule_error"


def test_on_error_deny_denies_what_cannot_be_told() -> None:
    loaded = policy("on_error: deny\n" + RULE % "mask")
    assert decided(loaded, facts({}, tool="db.run")).effect is Effect.DENY


@pytest.mark.parametrize("name", ["DB.run", "db.RUN", "Db.Run"])
def test_the_tools_name_matches_whatever_its_case(name: str) -> None:
    assert decided(policy(RULE % "deny"), facts({"action": "drop"}, tool=name)).effect is Effect.DENY


@pytest.mark.parametrize("name", ["db\u2024run", "dЬ.run", "xdb.run", "dbrun", "db_run"])
def test_a_renamed_tool_is_unknown_and_unknown_is_denied(name: str) -> None:
    decision = decided(policy(RULE % "deny"), facts({"action": "read"}, tool=name))
    assert (decision.effect, decision.reason_code) == (Effect.DENY, "unknown_tool")


def test_a_tool_from_another_source_is_not_the_trusted_one() -> None:
    loaded = policy("tools: {'fhir.*': {source: hospital.tools, trusted_for: [MRN]}}")
    assert decided(loaded, facts({}, tool="fhir.lookup", source="hospital.tools")).effect is Effect.ALLOW
    drifted = decided(loaded, facts({}, tool="fhir.lookup", source="mcp:evil"))
    assert (drifted.effect, drifted.reason_code) == (Effect.DENY, "drift")


def test_a_masking_rule_that_cannot_be_told_masks_besides_what_it_asks_for() -> None:
    decision = decided(policy(RULE % "mask"), facts({}, tool="db.run"))
    assert decision.effect is Effect.REQUIRE_APPROVAL
    assert (decision.obligations.args, decision.obligations.results) == ({"*": Handling.MASK}, Handling.MASK)
