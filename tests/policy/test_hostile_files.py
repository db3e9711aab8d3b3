"""What a file may be made of to do harm: refused with its place and advice, fast, and the policy that runs stays."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from policy.support import APPROVALS, ENGINE, HEAD, holds
from toolguard import Guard
from toolguard._core.audit import Kind
from toolguard.errors import PolicyError
from toolguard.policyfile import Problem, load_policy
from toolguard.testing import NoDetector

GOOD = HEAD + APPROVALS
RULE = GOOD + "rules:\n- {id: r, because: b, effect: deny, %s}\n"
LONG = "x" * 10_000_000


def bomb(depth: int = 12) -> str:
    """A billion laughs: each line holds nine of the one before."""
    return "\n".join(["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, depth)])


def nested_maps(levels: int) -> str:
    text = "1"
    for n in range(levels):
        text = f"[1,2,3,4,5,6,7,8,9].map(x{n}, {text})"
    return f"{text}.size() > 0"


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "ten megabytes": (GOOD + f"# {LONG}\n", "the limit is 1000000"),
    "a billion laughs": (bomb(), "anchor"),
    "an alias": (GOOD + "x: *a\n", "an alias (*name)"),
    "an anchor": (GOOD + "masking: &m {}\n", "an anchor (&name)"),
    "a merge key": (GOOD + "masking: {<<: {typed: refuse}}\n", "a merge key (<<)"),
    "a tag that makes objects": (GOOD + "x: !!python/object/apply:os.system [id]\n", "a tag (!name)"),
    "two documents": (GOOD + "---\nmode: shadow\n", "a second YAML document"),
    "a directive": ("%YAML 9.9\n---\n" + GOOD, "not valid YAML"),
    "tabs": (GOOD + "rules:\n\t- id: r\n", "not valid YAML"),
    "latin-1": (GOOD.encode() + "# übermut\n".encode("latin-1"), "not UTF-8"),
    "utf-16": (GOOD.encode("utf-16"), "not UTF-8"),
    "half a character": (GOOD.encode() + b"# \xed\xa0\x80\n", "not UTF-8"),
    "a null byte": (GOOD + "owner: \x00\n", "control characters"),
    "binary": (bytes(range(256)), "not UTF-8"),
    "no policy at all": ("", "the file is empty"),
    "only spaces": (" \n \n", "the file is empty"),
    "a list": ("- a\n- b\n", "a policy is a map"),
    "brackets without end": (GOOD + "x: " + "[" * 400_000, "nested more than 20 deep"),
    "maps without end": (GOOD + "x: " + "{a: " * 200_000, "nested more than 20 deep"),
    "indents without end": ("\n".join(" " * n + "a:" for n in range(1000)), "nested more than 20 deep"),
    "a hundred thousand values": (GOOD + "x: [" + "1," * 120_000 + "]", "more than 100000 values"),
    "a key twice": (GOOD + "mode: enforce\nmode: shadow\n", "key 'mode' stands twice, first on line 5"),
    "an id twice": (
        RULE % "match: {tool: a}" + "- {id: r, because: b, effect: allow}\n",
        "rule id 'r' stands twice, first on line",
    ),
    "a key that is a list": (GOOD + "? [a]\n: b\n", "a key must be a plain word"),
    "an unknown key": (GOOD + "moed: shadow\n", "did you mean 'mode'"),
    "another format": (GOOD.replace("toolguard/v1", "toolguard/v9"), "apiVersion"),
    "another kind": (GOOD.replace("ToolPolicy", "Secret"), "kind"),
    "text for a number": (RULE % "max_results: many", "must be a whole number"),
    "a number for text": (RULE % "approval: 7", "must be text"),
    "a fraction for a number": (RULE % "max_results: 1.5", "must be a whole number"),
    "a number beyond all": (RULE % f"max_results: {'9' * 40}", "must be a whole number"),
    "infinity": (RULE % "max_results: .inf", "must be a whole number"),
    "a map for text": (GOOD.replace("version: 1", "version: {a: 1}"), "metadata.version"),
    "yes for true": (RULE % "shadow: yes", "must be true or false"),
    "nothing": (GOOD + "rules:\n", "has no value"),
    "an id of a thousand letters": (RULE.replace("id: r", "id: " + "r" * 1000) % "match: {}", "not be longer than"),
    "a condition too long": (RULE % f"when: '{'true || ' * 1000}true'", "longer than 4000 characters"),
    "a condition too deep": (RULE % f"when: '{'(' * 1500}true{')' * 1500}'", "rules[0].when"),
    "a condition that is no condition": (RULE % "when: args", "must give yes or no"),
    "a regular expression that looks around": (RULE % "when: args.x.matches('(?=a)b')", "RE2"),
    "a regular expression that repeats too often": (RULE % "when: 'args.x.matches(\"(a{1000}){1000}\")'", "RE2"),
    "a text that grows by itself": (
        RULE % f'when: \'"a".replace("a", "{"b" * 900}").replace("b", "{"c" * 900}") == ""\'',
        "could make a text without end",
    ),
    "a text that grows by what the model says": (
        RULE % 'when: \'args.x.replace("a", args.y) == ""\'',
        "could make a text without end",
    ),
    "a list joined by what the model says": (
        RULE % "when: 'args.l.join(args.y) == \"\"'",
        "could make a text without end",
    ),
    "a name no function has": (RULE % "when: 'system(args.x) == 0'", "nothing is called 'system'"),
    "a pattern of an identifier that looks around": (
        GOOD + "masking: {shapes: [{name: n, type: ID, pattern: '(?<!a)b'}]}\n",
        "not supported",
    ),
    "a pattern of an identifier that is everywhere": (
        GOOD + "masking: {shapes: [{name: n, type: ID, pattern: 'a*'}]}\n",
        "matches the empty text",
    ),
    "a pack from somewhere": (GOOD + "include: pack:../../etc/passwd\n", "must be 'pack:NAME'"),
    "a thousand faults": (
        GOOD + "rules:\n" + "".join(f"- {{id: r{n}, effect: dney, because: x}}\n" for n in range(1000)),
        "did you mean 'deny'",
    ),
}


def raw(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_with_its_place_and_quickly(name: str) -> None:
    content, told = HOSTILE[name]
    started = time.process_time()
    with pytest.raises(PolicyError) as caught:
        load_policy(raw(content), name="p.yaml")
    assert time.process_time() - started < 3
    problems = [p for p in caught.value.problems if isinstance(p, Problem)]
    assert any(told in str(p) for p in problems), problems[:3]
    assert all(p.line >= 1 and p.column >= 1 and p.file == "p.yaml" for p in problems)
    assert len(str(caught.value)) < 20_000


def test_the_running_policy_stays_through_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD)
    with Guard(file, detector=NoDetector()) as guard:
        before = guard.parts.policy
        for content, _ in HOSTILE.values():
            file.write_bytes(raw(content))
            with pytest.raises(PolicyError):
                guard.reload()
            assert guard.parts.policy is before
        kinds = [r.draft.kind for r in guard.parts.store.records()]
        assert kinds.count(Kind.POLICY_REFUSED) == len(HOSTILE)
        assert kinds.count(Kind.POLICY_LOADED) == 1


HARMLESS = {
    "a byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "lines that end as on Windows": GOOD.replace("\n", "\r\n").encode(),
    "no newline at the end": GOOD.rstrip("\n").encode(),
    "a document marker": ("---\n" + GOOD).encode(),
    "every comment": ("# a\n" + GOOD + "# \U0001f600 z\n").encode(),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_editors_do_to_a_file_is_no_fault(name: str) -> None:
    assert load_policy(HARMLESS[name]).id == "test"


EXPENSIVE = [
    ("args.l.exists(a, args.l.exists(b, args.l.exists(c, a + b + c < -1)))", {"l": list(range(1000))}),
    ("args.l.map(a, args.l.map(b, args.l.map(c, a))).size() > 0", {"l": list(range(1000))}),
    (nested_maps(14), {}),
    ("args.l.all(t, args.l.all(u, t.matches('(a*)*b') || u.contains(t)))", {"l": ["a" * 3000] * 300}),
]


@pytest.mark.parametrize(("source", "data"), EXPENSIVE)
def test_a_condition_that_works_without_end_is_stopped_and_counts_as_matched(
    source: str, data: dict[str, object]
) -> None:
    assert not ENGINE.check(source)
    started = time.process_time()
    assert holds(source, data) in ("too_much_work", "evaluation")
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("source", "data", "answer"),
    [
        ("args.x.replace('-', '') == 'ab'", {"x": "a-b"}, True),
        ("args.x.replace('a', 'ä') == 'ä'", {"x": "a"}, True),
        ("args.l.join(', ') == 'a, b'", {"l": ["a", "b"]}, True),
        ("args.l.join() == 'ab'", {"l": ["a", "b"]}, True),
    ],
)
def test_texts_that_stay_small_may_be_changed(source: str, data: dict[str, object], answer: bool) -> None:
    assert holds(source, data) is answer
