"""Loading: whole or not at all, and every fault with its place and how to mend it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from policy.support import APPROVALS, HEAD, policy
from toolguard._core.policy import Effect, Handling, Mode
from toolguard._core.risk import RiskLevel
from toolguard.errors import PolicyError
from toolguard.policyfile import Problem, load_policy

HOSPITAL = Path(__file__).with_name("hospital.yaml")


def faults(text: str) -> list[Problem]:
    with pytest.raises(PolicyError) as caught:
        load_policy(text, name="p.yaml")
    assert caught.value.problems
    return [p for p in caught.value.problems if isinstance(p, Problem)]


def body_faults(text: str) -> list[tuple[int, int, str, str]]:
    """Faults below the usual head; lines counted from 1 within ``text``."""
    head = HEAD if "approvals:" in text else HEAD + APPROVALS
    lines = head.count("\n")
    return [(p.line - lines, p.column, p.path, p.message) for p in faults(head + text)]


class TestTheHospitalExample:
    def test_it_loads_as_written(self) -> None:
        loaded = load_policy(HOSPITAL)
        assert (loaded.id, loaded.version, loaded.owner) == ("hospital-agent", "7", "privacy-office@example.org")
        assert loaded.mode is Mode.ENFORCE
        assert loaded.sha256 == hashlib.sha256(HOSPITAL.read_bytes()).hexdigest()

    def test_its_defaults_approvals_tools_and_rules_are_what_is_written(self) -> None:
        loaded = load_policy(HOSPITAL)
        assert loaded.defaults.unknown_tool is Effect.DENY
        assert loaded.defaults.by_risk[RiskLevel.HIGH] is Effect.REQUIRE_APPROVAL
        assert loaded.defaults.approval == "privacy"
        privacy = loaded.approvals["privacy"]
        assert (privacy.approvers, privacy.quorum, privacy.expires, privacy.channel) == (
            ("group:privacy-office",), 2, 3600.0, "teams:privacy",
        )  # fmt: skip
        search, fhir = loaded.tools
        assert (search.risk, search.trusted_for) == (RiskLevel.MEDIUM, {"PERSON", "DATE_OF_BIRTH", "MRN"})
        assert fhir.args == {"id": Handling.PASS, "name": Handling.UNMASK, "ssn": Handling.MASK}
        export, leaves = loaded.rules
        assert (export.effect, export.match.tool, export.line) == (Effect.DENY, ("fhir.*", "ehr.export_*"), 18)
        assert (leaves.effect, leaves.approval) == (Effect.REQUIRE_APPROVAL, "privacy")
        assert leaves.on_error is Effect.REQUIRE_APPROVAL


RULE = "rules:\n- id: r\n  because: x\n  effect: deny\n"

FAULTS = [
    # the shape
    ("mode: shaddow", 1, 7, "mode", "did you mean 'shadow'"),
    ("on_eror: deny", 1, 1, "on_eror", "unknown key 'on_eror'; did you mean 'on_error'"),
    ("combine: first_match", 1, 10, "combine", "known here: most_restrictive"),
    ("defaults: {args: yes}", 1, 18, "defaults.args", "known here: default, mask, pass, unmask"),
    ("defaults: {by_risk: {hihg: deny}}", 1, 22, "defaults.by_risk.hihg", "did you mean 'high'"),
    ("defaults: {unknow_tool: deny}", 1, 12, "defaults.unknow_tool", "did you mean 'unknown_tool'"),
    ("tools: {t: {risk: hgih}}", 1, 19, "tools.t.risk", "did you mean 'high'"),
    ("tools: {t: {trusted: [A]}}", 1, 13, "tools.t.trusted", "did you mean 'trusted_for'"),
    ("tools: {t: {trusted_for: [person]}}", 1, 27, "tools.t.trusted_for[0]", "in capitals"),
    ("tools: {t: {category: [delete]}}", 1, 24, "tools.t.category[0]", "known here: code_execution"),
    ("tools: {t: {args: {q: unmsk}}}", 1, 23, "tools.t.args.q", "did you mean 'unmask'"),
    ("tools: {t: {digest: abc}}", 1, 21, "tools.t.digest", "64 hex digits"),
    ("tools: {t: {results: unmask}}", 1, 22, "tools.t.results", "did you mean 'mask'"),
    ("tools: {t: {trusted_for: }}", 1, 26, "tools.t.trusted_for", "has no value"),
    ("include: [hipaa]", 1, 11, "include[0]", "pack:NAME"),
    ("include: [pack:hippa]", 1, 11, "include[0]", "did you mean 'hipaa'"),
    ("rules: {}", 1, 8, "rules", "must be a list"),
    ("rules: [foo]", 1, 9, "rules[0]", "must be a map"),
    ("rules:\n- {id: r, effect: deny}", 2, 3, "rules[0]", "'because' is missing; say in words"),
    ("rules:\n- {id: r, because: x}", 2, 3, "rules[0]", "'effect' is missing; say what"),
    ("rules:\n- {id: r, because: ' ', effect: deny}", 2, 20, "rules[0].because", "must not be empty"),
    ("rules:\n- {id: a b, because: x, effect: deny}", 2, 8, "rules[0].id", "must be letters"),
    ("rules:\n- {id: 3, because: x, effect: deny}", 2, 8, "rules[0].id", "must be text; put it in quotes"),
    (RULE + "  match: {tol: a}", 5, 11, "rules[0].match.tol", "did you mean 'tool'"),
    (RULE + "  match: {tool: []}", 5, 17, "rules[0].match.tool", "empty list"),
    (RULE + "  shadow: yes", 5, 11, "rules[0].shadow", "must be true or false"),
    (RULE + "  max_result_chars: 0", 5, 21, "rules[0].max_result_chars", "at least 1"),
    # the sense
    (RULE + "- {id: r, because: y, effect: mask}", 5, 8, "rules[1].id", "stands twice, first on line 6"),
    (RULE.replace("deny", "require_approval") + "  approval: nobody", 5, 13, "rules[0].approval", "no approval is called 'nobody'"),
    (RULE + "  approval: default", 5, 3, "rules[0].approval", "asks nobody; remove it"),
    ("approvals: {a: {approvers: []}}", 1, 28, "approvals.a.approvers", "nobody could ever approve"),
    ("approvals: {a: {}}", 1, 16, "approvals.a", "'approvers' is missing"),
    ("approvals: {a: {approvers: [boss]}}", 1, 29, "approvals.a.approvers[0]", "'group:NAME', 'person:ID' or 'oncall:SCHEDULE'"),
    ("approvals: {a: {approvers: [person:x], quorum: 0}}", 1, 48, "approvals.a.quorum", "at least 1"),
    ("approvals: {a: {approvers: [person:x], quorum: 2}}", 1, 48, "approvals.a.quorum", "never be reached by 1 listed person;"),
    ("approvals: {a: {approvers: [person:x, person:x], quorum: 2}}", 1, 58, "approvals.a.quorum", "never be reached"),
    ("approvals: {a: {approvers: [group:x], expires: 0h}}", 1, 48, "approvals.a.expires", "longer than nothing"),
    ("approvals: {a: {approvers: [group:x], expires: -1h}}", 1, 48, "approvals.a.expires", "not a duration"),
    ("approvals: {a: {approvers: [group:x], expires: 3600}}", 1, 48, "approvals.a.expires", "such as 30m"),
    ("approvals: {a: {approvers: [group:x], expires: 9999d}}", 1, 48, "approvals.a.expires", "at most a year"),
    ("approvals: {a: {approvers: [group:x], on_expiry: allow}}", 1, 50, "approvals.a.on_expiry", "known here: deny"),
    ("approvals: {}", -2, 1, "defaults.by_risk.high", "high risk requires approval, but no approval is the default"),
    ("approvals: {}\ndefaults:\n  by_risk: {high: require_approval}", 3, 19, "defaults.by_risk.high", "define approvals.default"),
    ("approvals: {}\ndefaults: {by_risk: {high: deny}, unknown_tool: require_approval}", 2, 49, "defaults.unknown_tool", "unknown tools require"),
    (
        "approvals: {a: {approvers: [group:x]}, b: {approvers: [group:y]}}\ndefaults: {by_risk: {high: deny}}\n"
        + RULE.replace("deny", "require_approval"), 6, 11, "rules[0].effect", "names none, and no approval is the default",
    ),
    (
        "approvals: {}\ndefaults: {by_risk: {high: deny}}\n" + RULE + "  when: hour > 9\n- {id: m, because: x, effect: mask, when: hour > 9}",
        -2, 1, "on_error", "a rule that cannot be evaluated requires approval",
    ),
    ("defaults: {approval: nobody}", 1, 22, "defaults.approval", "no approval is called 'nobody'"),
    # conditions, with the place inside the expression
    (RULE + "  when: arg.x == 1", 5, 12, "rules[0].when", "nothing is called 'arg' here; did you mean 'args'"),
    (RULE + "  when: 'args.a == ''x'' && nope'", 5, 29, "rules[0].when", "nothing is called 'nope'"),
    (RULE + '  when: "args.a == \\"x\\" && nope"', 5, 29, "rules[0].when", "nothing is called 'nope'"),
    (RULE + "  when: |\n    args.a == 1\n    && nope", 7, 8, "rules[0].when", "nothing is called 'nope'"),
    (RULE + "  when: >-\n    args.a == 1\n    && nope", 7, 8, "rules[0].when", "nothing is called 'nope'"),
    (RULE + "  when: args.a == 1\n    && nope", 6, 8, "rules[0].when", "nothing is called 'nope'"),
    (RULE + "  when: 'hour > 2.5'", 5, 15, "rules[0].when", "operator > does not take (int, double)"),
    (RULE + "  when: args.x ==", 5, 18, "rules[0].when", "syntax error"),
    (RULE + "  when: args.x", 5, 9, "rules[0].when", "must give yes or no"),
    (RULE + "  when: caller.rolse.size() > 0", 5, 16, "rules[0].when", "caller has no field 'rolse'; did you mean 'roles'"),
    (RULE + "  when: sql(args.q).writes", 5, 12, "rules[0].when", "sql() is not available"),
    (RULE + "  when: reveal(args).size() > 0", 5, 15, "rules[0].when", "did you mean 'reveals'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "path", "message"), FAULTS)
def test_a_fault_is_told_with_its_place_and_how_to_mend_it(
    text: str, line: int, column: int, path: str, message: str
) -> None:
    found = body_faults(text)
    assert [(p, m) for _, _, p, m in found if p == path and message in m], found
    place = next((at, col) for at, col, p, m in found if p == path and message in m)
    assert place == (line, column)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("[]", "a policy is a map"),
        ("just words", "a policy is a map"),
        ("a: [1", "not valid YAML"),
        ("a: b: c", "not valid YAML"),
        ("\ta: 1", "not valid YAML"),
        ("a: \x07", "control characters"),
        ("a: &x [1]", "an anchor"),
        ("a: &x 1\nb: *x", "an alias"),
        ("a: &x {b: 1}\nc: {<<: *x}", "an alias"),
        ("a: {<<: {b: 1}}", "a merge key"),
        ("a: !!python/object/apply:os.system ['x']", "a tag"),
        ("a: !secret x", "a tag"),
        ("a: 1\n---\nb: 2", "a second YAML document"),
        ("a: 1\nb: 2\na: 3", "key 'a' stands twice, first on line 1"),
        ("? [a, b]\n: 1", "a key must be a plain word"),
        ("a: " + "[" * 30 + "]" * 30, "nested more than 20 deep"),
        ("a: [" + "1," * 100_001 + "]", "more than 100000 values"),
        ("a: '" + "x" * 1_000_001 + "'", "the limit is 1000000"),
    ],
)
def test_yaml_beyond_what_a_policy_needs_is_refused(text: str, message: str) -> None:
    assert any(message in p.message for p in faults(text))


def test_a_bomb_of_aliases_is_refused_before_anything_is_built() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert all("anchor" in p.message or "alias" in p.message for p in faults("\n".join(lines)))


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(PolicyError, match="not UTF-8"):
        load_policy(b"apiVersion: \xff\xfe")


def test_words_that_old_yaml_took_for_yes_and_no_stay_words() -> None:
    loaded = policy("rules:\n- {id: no, because: on, effect: deny, match: {tool: off}}")
    assert (loaded.rules[0].id, loaded.rules[0].because, loaded.rules[0].match.tool) == ("no", "on", ("off",))


def test_every_fault_is_told_at_once_in_the_order_of_the_file() -> None:
    text = HEAD.replace("v1", "v2") + (
        "mode: shaddow\n"
        "approvals: {a: {approvers: []}}\n"
        "tools: {t: {risk: hgih}}\n"
        "rules:\n"
        "- {id: r, because: x, effect: dney}\n"
        "- {id: s, because: x, effect: deny, when: arg.x == 1}\n"
    )
    found = faults(text)
    assert [p.path for p in found] == [
        "apiVersion", "mode", "approvals.a.approvers", "tools.t.risk", "rules[0].effect", "rules[1].when",
    ]  # fmt: skip
    assert found == sorted(found)


def test_the_error_prints_each_fault_as_file_line_column() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(HEAD + "mode: x\n", name="p.yaml")
    assert "p.yaml:4:7: mode:" in str(caught.value)
    assert str(caught.value).startswith("policy 'p.yaml' has 2 faults and was not loaded")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "gone.yaml")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path)


class TestPacks:
    PACK = (
        HEAD
        + "defaults: {unknown_tool: deny, args: mask, approval: office}\n"
        + "approvals: {office: {approvers: [group:office]}}\n"
        + "tools: {'x.*': {risk: high, trusted_for: [MRN, PERSON]}}\n"
        + "rules:\n- {id: p, because: from the pack, effect: deny, match: {tool: x.delete}}\n"
    ).encode()

    def test_its_rules_and_tools_are_added_and_named_after_it(self) -> None:
        loaded = policy("include: pack:base\n", packs=lambda _: self.PACK)
        assert [r.id for r in loaded.rules] == ["base/p"]
        assert [t.pattern for t in loaded.tools] == ["x.*"]
        assert loaded.id == "test"

    def test_its_approvals_hold_until_the_policy_names_the_real_people(self) -> None:
        text = HEAD + "include: pack:base\n"
        assert load_policy(text, packs=lambda _: self.PACK).approvals["office"].approvers == ("group:office",)
        assert load_policy(text, packs=lambda _: self.PACK).defaults.approval == "office"
        named = text + "approvals: {office: {approvers: [person:ann, person:bob], quorum: 2}}\n"
        assert load_policy(named, packs=lambda _: self.PACK).approvals["office"].quorum == 2

    def test_the_stricter_default_of_both_holds(self) -> None:
        loaded = load_policy(
            HEAD + "include: pack:base\ndefaults: {unknown_tool: allow, args: pass, results: pass}\n",
            packs=lambda _: self.PACK,
        )
        assert loaded.defaults.unknown_tool is Effect.DENY
        assert loaded.defaults.args is Handling.MASK
        assert loaded.defaults.results is Handling.PASS

    def test_a_changed_pack_changes_the_policys_digest(self) -> None:
        text = HEAD + "include: pack:base\n"
        one = load_policy(text, packs=lambda _: self.PACK)
        two = load_policy(text, packs=lambda _: self.PACK + b"# changed\n")
        assert len({one.sha256, two.sha256, hashlib.sha256(text.encode()).hexdigest()}) == 3

    def test_faults_in_a_pack_are_told_with_the_packs_name(self) -> None:
        with pytest.raises(PolicyError, match=r"pack:base:4:1: unknwn: unknown key"):
            load_policy(HEAD + "include: pack:base\n", packs=lambda _: (HEAD + "unknwn: 1\n").encode())

    def test_a_pack_cannot_include_packs_nor_be_included_twice(self) -> None:
        with pytest.raises(PolicyError, match="cannot include packs"):
            load_policy(HEAD + "include: pack:a\n", packs=lambda _: self.PACK + b"include: pack:b\n")
        with pytest.raises(PolicyError, match="included twice"):
            load_policy(HEAD + "include: [pack:a, pack:a]\n", packs=lambda _: self.PACK)

    def test_two_packs_that_disagree_about_an_approval_need_the_policys_word(self) -> None:
        other = self.PACK.replace(b"group:office", b"group:elsewhere").replace(b"id: p,", b"id: q,")
        packs = {"a": self.PACK, "b": other}
        with pytest.raises(PolicyError, match="two packs define approval 'office' differently"):
            load_policy(HEAD + "include: [pack:a, pack:b]\n", packs=packs.__getitem__)
        said = HEAD + "include: [pack:a, pack:b]\napprovals: {office: {approvers: [group:real]}}\n"
        assert load_policy(said, packs=packs.__getitem__).approvals["office"].approvers == ("group:real",)
