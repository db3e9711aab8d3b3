"""A pattern is found however the call says it: in words, in parts, in JSON, quoted, escaped or disguised."""

from __future__ import annotations

import pytest

from policy.support import ENGINE, facts, holds, risk

KEY = r"""finds(args, r"\biam create-access-key\b")"""
POD = r"""finds(args, r"privileged: true")"""

FOUND = [
    (KEY, "aws iam create-access-key --user-name x"),
    (KEY, "AWS  IAM\n Create-Access-Key"),
    (KEY, 'aws iam "create-access-key"'),
    (KEY, "aws i''am create\\-access-key"),
    (KEY, "aws iam$IFS'create-access-key'"),
    (KEY, "aws${IFS}iam${IFS}create-access-key"),
    (KEY, "{aws,iam,create-access-key}"),
    (KEY, "aws iam cre/**/ate-access-key"),
    (KEY, ["aws", "iam", "create-access-key"]),
    (KEY, {"argv": ["aws", "iam", "create-access-key"]}),
    (KEY, '["aws", "iam", "create-access-key"]'),
    (KEY, '{"cmd": "aws iam cre\\u0061te-access-key"}'),
    (KEY, "aws \u0456am create-access-key"),
    (KEY, "aws iam cre\u200bate-access-key"),
    (KEY, "aws iam %63reate-access-key"),
    (KEY, {"aws iam create-access-key": 1}),
    (POD, "privileged:   true"),
    (POD, {"privileged": True}),
    (POD, {"Privileged": "TRUE"}),
    (POD, '{"spec": {"privileged" : true}}'),
    (POD, 'privileged: "true"'),
    (POD, {"a": [{"b": {"privileged": [True]}}]}),
    ('finds(args, "limit: [0-9]{3}")', {"limit": 500}),
    ('finds(args, "note: null")', {"note": None}),
]


@pytest.mark.parametrize(("source", "value"), FOUND)
def test_it_is_found_in_every_form(source: str, value: object) -> None:
    assert holds(source, {"q": value}) is True


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (KEY, "aws iam list-access-keys"),
        (KEY, "aws iam recreate-access-key"),
        (KEY, ["aws", "iam"]),
        (POD, {"privileged": False}),
        (POD, {"privileged": None, "other": True}),
        (POD, "is it privileged? true"),
        (KEY, None),
    ],
)
def test_other_things_are_not_it(source: str, value: object) -> None:
    assert holds(source, {"q": value}) is False


SAID = [
    (r"says(r'create[-_]?access[-_]?key')", "iam_create_access_key", {"user": "x"}),
    (r"says(r'create[-_]?access[-_]?key')", "iamCreateAccessKey", {}),
    (r"says(r'create[-_]?access[-_]?key')", "call_aws", {"cli_command": "aws iam create-access-key"}),
    (r"says(r'\bdelete\b.*[: ]namespaces?\b')", "kubectl_delete", {"resourceType": "namespace", "name": "prod"}),
    (r"says(r'\bdelete\b.*[: ]namespaces?\b')", "resources.delete", {"r": '{"kind": "Namespace"}'}),
    (r"says(r'\bdelete\b.*[: ]namespaces?\b')", "kubectl", {"args": ["delete", "namespaces", "prod"]}),
]


@pytest.mark.parametrize(("source", "tool", "data"), SAID)
def test_a_call_says_it_by_its_name_by_its_arguments_or_by_both(
    source: str, tool: str, data: dict[str, object]
) -> None:
    assert holds(source, data, tool=tool) is True
    assert holds(source, {"note": "x"}, tool="other") is False


def test_an_explanation_says_that_the_whole_call_was_read() -> None:
    assert ENGINE.compile('says("x") && args.y == 1').asks == ("says(args)",)


def test_prose_is_no_part_of_the_one_line_that_says_the_call() -> None:
    body = "delete what you like, " + "x " * 100 + "but not the namespace"
    assert holds("says(r'\\bremove\\b.*[: ]namespace')", {"body": body}, tool="remove_mail") is False


def test_what_somebody_writes_about_is_not_what_the_call_does() -> None:
    ask = "says('delete.*audit log')"
    assert holds(ask, {"title": "delete the old audit log"}, tool="create_ticket") is False
    assert holds(ask, {"title": ["delete", "the", "audit log"]}, tool="create_ticket") is True
    assert holds(ask, {"text": "delete the old audit log"}, tool="say", risk=risk("low", "communication")) is False
    assert holds(ask, {"text": "delete the old audit log"}, tool="terminal") is True
    assert holds(ask, {"title": "audit log"}, tool="delete_all") is True


def test_a_part_of_the_arguments_can_be_asked() -> None:
    assert holds('finds(args.a, "x")', {"a": "x", "b": "y"}) is True
    assert holds('finds(args.a, "y")', {"a": "x", "b": "y"}) is False
    assert holds('finds(args.c, "y")', {"a": "x"}) == "evaluation"


def test_what_is_nested_beyond_reason_counts_as_found() -> None:
    deep: object = "x"
    for _ in range(40):
        deep = [deep]
    assert holds('finds(args, "y")', {"a": deep}) == "evaluation"


def test_a_pattern_that_re2_does_not_take_is_a_fault_of_the_policy() -> None:
    (fault,) = ENGINE.check('finds(args, "(?=x)")')
    assert "not a pattern RE2 accepts" in fault.message


def test_a_condition_sees_the_evidence_and_not_its_words() -> None:
    seen = risk("high", "destructive")
    ask = 'risk.evidence.exists(e, e.source == "name" && e.class == "destructive" && e.rank >= 3)'
    assert holds(ask, {}, risk=seen) is True
    assert holds(ask, {}, risk=risk("high", "write")) is False
    assert holds('risk.evidence.exists(e, e.level == "high" && !has(e.text))', {}, risk=seen) is True
    assert facts({}).risk.evidence
