"""Conditions: what they see, what they answer, and that doubt never reads as no."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from policy.support import ENGINE, facts, found, holds, policy, risk
from toolguard._core.call import Assurance, freeze
from toolguard._core.condition import ConditionError
from toolguard._core.policy import Effect
from toolguard.errors import PolicyError
from toolguard.policyfile.cel import CelCondition, CelEngine

ANSWERS = [
    ('args.path == "a"', {"path": "a"}, True),
    ('args.path == "a"', {"path": "b"}, False),
    ('args.path != "a"', {"path": ["a"]}, True),
    ('args.path.contains("$export")', {"path": "/Patient/$export"}, True),
    ('args.path in ["a", "b"]', {"path": "b"}, True),
    ('args.path in ["a", "b"]', {"path": ["b"]}, "wrong_type"),
    ("args.n > 3", {"n": 4}, True),
    ("args.n > 3", {"n": 3.5}, True),
    ("args.n > 2.5", {"n": 3}, True),
    ("args.n == 3", {"n": 3.0}, True),
    ("args.n == 3", {"n": True}, "wrong_type"),
    ("args.n > 3", {"n": None}, "wrong_type"),
    ("args.n > 3", {}, "missing_argument"),
    ("args.n != null && args.n > 3", {"n": None}, False),
    ("args.n != null && args.n > 3", {"n": "4"}, True),
    ("has(args.n) && args.n > 3", {}, False),
    ("has(args.n) && args.n > 3", {"n": 4}, True),
    ("!has(args.n)", {}, True),
    ("args.a.b == 1", {"a": {"b": 1}}, True),
    ("args.a.b == 1", {"a": {}}, "missing_argument"),
    ("args.a.b == 1", {"a": 5}, "evaluation"),
    ('args["odd name"] == 1', {"odd name": 1}, True),
    ("args.l[0] == 1", {"l": [1]}, True),
    ("args.l[1] == 1", {"l": [1]}, "evaluation"),
    ('"x" in args.l', {"l": ["x"]}, True),
    ('"x" in args.l', {"l": "x"}, "wrong_type"),
    ('args.l.exists(i, i.id == "7")', {"l": [{"id": 7}]}, True),
    ("args.l.all(i, i > 0)", {"l": [1, "2"]}, True),
    ("args.l.all(i, i > 0)", {"l": [1, -2]}, False),
    ("size(args.l) > 1", {"l": [1, 2]}, True),
    ("size(args) > 1", {"a": 1, "b": 2}, True),
    ("args.exists(k, k == 'a')", {"a": 1}, True),
    ("args.a == args.b", {"a": "x", "b": "x"}, True),
    ('type(args.to) == list ? args.to.exists(t, t == "x") : args.to == "x"', {"to": ["x"]}, True),
    ('type(args.to) == list ? args.to.exists(t, t == "x") : args.to == "x"', {"to": "y"}, False),
    ("args.flag == true", {"flag": True}, True),
    ("args.when_ > 5 || hour > 9", {}, True),
    ("args.when_ > 5 || hour > 20", {}, "missing_argument"),
    ('lower(args.action) == "drop"', {"action": "DROP"}, True),
]


@pytest.mark.parametrize(("source", "data", "answer"), ANSWERS)
def test_a_condition_answers(source: str, data: dict[str, object], answer: bool | str) -> None:
    assert holds(source, data) == answer


def test_a_condition_knows_who_asks_when_where_and_in_what_state() -> None:
    given = facts(
        {"x": 1}, tool="ehr.read", assurance=Assurance.VERIFIED, session={"calls": 3}, environment="test", hour=22,
        risk=risk("high", "write", "privilege"),
    )  # fmt: skip
    for source in (
        'caller.subject == "ann" && caller.tenant == "st-mary" && caller.agent == "ward-bot"',
        '"nurse" in caller.roles && caller.verified && caller.assurance == "verified" && caller.issuer == "local"',
        'tool == "ehr.read" && hour == 22 && env == "test" && session.calls == 3',
        'risk.level == "high" && risk.rank == 3 && risk.class == "write" && "privilege" in risk.classes',
    ):
        assert CelCondition(engine=ENGINE, program=ENGINE.compile(source)).holds(given) is True


def test_a_missing_session_fact_counts_as_an_error() -> None:
    assert holds("session.calls > 2") == "missing_argument"
    assert holds("has(session.calls) && session.calls > 2") is False


class TestFunctionsAboutTheArguments:
    data = {"note": "x", "to": {"mail": "y"}, "key": "z"}
    seen = found(data, MRN="note", EMAIL="to.mail", SECRET="key")

    @pytest.mark.parametrize(
        ("source", "answer"),
        [
            ("phi(args).size() == 2", True),
            ("phi(args.note).size() == 1", True),
            ("phi(args.to).size() == 1", True),
            ("phi(args.nothing).size() == 0", True),
            ('"MRN" in phi(args)', True),
            ('"SECRET" in phi(args)', False),
            ("secrets(args).size() == 1", True),
            ("secrets(args.note).size() == 0", True),
            ("reveals(args).size() > 0", False),
        ],
    )
    def test_they_list_types_of_what_is_present(self, source: str, answer: bool) -> None:
        assert holds(source, self.data, present=self.seen) is answer

    def test_reveals_lists_real_values_that_reach_the_tool_secrets_included(self) -> None:
        revealed = found(self.data, MRN="note", SECRET="key")
        assert holds("reveals(args).size() == 2", self.data, present=self.seen, revealed=revealed) is True
        assert holds('reveals(args.note).all(t, t == "MRN")', self.data, revealed=revealed) is True

    @pytest.mark.parametrize(
        ("value", "answer"),
        [
            ("please DROP   table x", True),
            ("dr\u200bop table", True),
            ('{"sql": "dr\\u006fp table"}', True),
            (["deep", {"er": "drop table"}], True),
            ({"drop table": 1}, True),
            ("droptable", False),
            (None, False),
        ],
    )
    def test_mentions_looks_everywhere_below(self, value: object, answer: bool) -> None:
        assert holds('mentions(args, "Drop Table")', {"q": value}) is answer

    def test_mentions_of_an_argument_that_is_missing_cannot_be_told(self) -> None:
        assert holds('mentions(args.q, "x")', {}) == "evaluation"

    @pytest.mark.parametrize("call", ["phi('x')", "reveals(args.l.map(i, i))", "secrets([args])", "mentions('a', 'b')"])
    def test_they_take_nothing_but_args(self, call: str) -> None:
        source = f"{call} == true" if "mentions" in call else f"{call}.size() > 0"
        assert "takes args or one argument" in ENGINE.check(source)[0].message


HOSTS = [
    ("https://hospital.example/x", True),
    ("https://HOSPITAL.example:8443/x?y#z", True),
    ("https://hospital.example./x", True),
    ("hospital.example", True),
    ("hospital.example:443", True),
    ("ann@hospital.example", True),
    ("mailto:ann@hospital.example", True),
    ("https://api.lab.example/", True),
    ("https://lab.example/", False),
    ("https://evil.example/hospital.example", False),
    ("https://hospital.example.evil.example/", False),
    ("https://nothospital.example/", False),
    ("https://hospital.example@evil.example/", False),
    ("https://evil.example?@hospital.example/", False),
    ("https://evil.example#@hospital.example/", False),
    ("ann@evil.example", False),
    ("https://[::1]/", False),
    ("https://10.0.0.1/", False),
    ("https://10.1/", "evaluation"),
    ("https://0x0a000001/", "evaluation"),
    ("https://167772161/", "evaluation"),
    ("https://[::1/", "evaluation"),
    ("https://evil.example\\@hospital.example/", "evaluation"),
    ("https://a@b@hospital.example/", "evaluation"),
    ("https://hospital.example%2f@evil.example/", "evaluation"),
    ("https://hosp\u0456tal.example/", "evaluation"),
    ("https://hospital.example\n.evil.example/", "evaluation"),
    (" https://hospital.example/", "evaluation"),
    ("//hospital.example/", "evaluation"),
    ("https:hospital.example", "evaluation"),
    ("Ann <ann@hospital.example>", "evaluation"),
    ("ann@hospital.example, bob@evil.example", "evaluation"),
    ("", "evaluation"),
    (["ann@hospital.example", "bob@hospital.example"], True),
    (["ann@hospital.example", "bob@evil.example"], False),
    ([], "evaluation"),
    ({"url": "https://hospital.example/"}, "wrong_type"),
    (None, "wrong_type"),
]


@pytest.mark.parametrize(("address", "inside"), HOSTS)
def test_host_in_answers_only_where_every_reader_sees_the_same_host(address: object, inside: bool | str) -> None:
    assert holds('host_in(args.url, ["hospital.example", "*.lab.example"])', {"url": address}, allows=True) == inside


@pytest.mark.parametrize("address", [a for a, inside in HOSTS if inside is not True])
def test_what_is_not_surely_inside_counts_as_outside(address: object) -> None:
    loaded = policy(
        "tools: {t: {}}\nrules:\n- {id: out, because: x, effect: require_approval,"
        ' when: \'!host_in(args.url, ["hospital.example", "*.lab.example"])\'}'
    )
    from policy.support import decided

    assert decided(loaded, facts({"url": address})).effect is Effect.REQUIRE_APPROVAL


class TestTrapsOfTheBinding:
    """Each is something the engine does that would open a hole if it were taken as it comes."""

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("args.flag", "must give yes or no"),
            ("hour", "must give yes or no"),
            ("args.path", "must give yes or no"),
            ('"x"', "must give yes or no"),
        ],
    )
    def test_only_a_boolean_expression_loads(self, source: str, message: str) -> None:
        assert message in ENGINE.check(source)[0].message

    def test_an_error_is_a_value_and_never_passes_for_an_answer(self) -> None:
        assert holds("1 / args.n > 0", {"n": 0}) == "evaluation"
        assert holds("!(args.gone == 1)", {}) == "missing_argument"

    def test_no_function_has_a_parameter_that_would_never_match(self) -> None:
        assert holds('host_in(args.url, ["a.example"])', {"url": "https://a.example/"}) is True
        assert holds("phi(args).size() == 0", {"x": 1}) is True
        assert holds("lower(args.x) == 'a'", {"x": "A"}) is True

    def test_what_a_function_raises_never_leaves_the_engine(self) -> None:
        def leaky(text: str) -> Mapping[str, object]:
            raise ValueError(f"cannot parse {text}")

        engine = CelEngine({"sql": leaky})
        secret = "SSN 123-45-6789"
        condition = CelCondition(engine=engine, program=engine.compile("sql(args.q).writes == true"))
        with pytest.raises(ConditionError) as caught:
            condition.holds(facts({"q": secret}))
        seen, error = "", caught.value
        while error is not None:
            seen += repr(error) + str(error)
            error = error.__cause__ or error.__context__  # type: ignore[assignment]  # any exception will do here
        assert caught.value.code == "evaluation"
        assert "123-45" not in seen

    @pytest.mark.parametrize("source", ["int(args.q) > 3", "args.q > 3", "timestamp(args.q) > timestamp(args.q)"])
    def test_conversion_errors_never_print_the_value(self, source: str) -> None:
        condition = CelCondition(engine=ENGINE, program=ENGINE.compile(source))
        with pytest.raises(ConditionError) as caught:
            condition.holds(facts({"q": "SSN 123-45-6789"}))
        assert "123" not in str(caught.value)
        assert caught.value.__context__ is None

    @pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), 2**70, -(2**70), 10**400, b"x"])
    def test_what_is_not_plain_json_is_an_error_or_a_number_never_a_silent_no(self, value: object) -> None:
        answer = holds("args.x > 5 || args.x < -5", {"x": value})
        assert answer in (True, "wrong_type", "evaluation") or value != value

    @pytest.mark.parametrize(
        ("value", "more", "equal"),
        [
            (Decimal(5000), True, False),
            (Decimal("0.5"), False, False),
            (UUID(int=7), "wrong_type", False),
            (datetime(2026, 1, 1, tzinfo=UTC), "wrong_type", False),
            (date(2026, 1, 1), "wrong_type", False),
            (timedelta(hours=1), "wrong_type", False),
            ((9, 8), "wrong_type", "wrong_type"),
            ({9, 8}, "wrong_type", "wrong_type"),
            ({"at": date(2026, 1, 1)}, "wrong_type", "wrong_type"),
            ([Decimal(9)], "wrong_type", "wrong_type"),
            (b"x", "wrong_type", False),
        ],
    )
    def test_what_python_has_and_json_has_not_is_written_down_first(
        self, value: object, more: bool | str, equal: bool | str
    ) -> None:
        """The engine refuses these as they are; the arguments that are judged never hold them."""
        data = freeze({"x": value}).data
        assert holds("args.x > 5", data) == more
        assert holds("args.x == 'a'", data) == equal

    def test_integers_beyond_64_bits_keep_their_sign_and_size(self) -> None:
        for value in (2**63, 2**64, 2**70, 10**400):
            assert holds("args.x > 5", {"x": value}) is True
            assert holds("args.x < -5", {"x": -value}) is True

    def test_a_fraction_against_a_typed_whole_number_is_explained_at_load(self) -> None:
        fault = ENGINE.check("hour > 2.5")[0]
        assert "operator > does not take (int, double)" in fault.message
        assert "double(...)" in fault.message

    @pytest.mark.parametrize(
        ("source", "suggestion"),
        [("caller.rolse.size() > 0", "did you mean 'roles'"), ('risk.levle == "high"', "did you mean 'level'")],
    )
    def test_a_misspelt_field_of_a_known_variable_is_caught_at_load(self, source: str, suggestion: str) -> None:
        assert suggestion in ENGINE.check(source)[0].message

    def test_patterns_take_linear_time_and_bad_ones_do_not_load(self) -> None:
        started = time.process_time()
        assert holds('args.x.matches("(a*)*b")', {"x": "a" * 50_000}) is False
        assert time.process_time() - started < 1
        assert "RE2" in ENGINE.check('args.x.matches("(?=a)")')[0].message
        assert "RE2" in ENGINE.check(r'args.x.matches("(a)\\1")')[0].message

    def test_a_pattern_from_an_argument_that_does_not_compile_cannot_be_told(self) -> None:
        assert holds('"x".matches(args.p)', {"p": "("}) == "evaluation"

    def test_iteration_is_bounded(self) -> None:
        many = list(range(300))
        source = "args.l.exists(a, args.l.exists(b, args.l.exists(c, a + b + c < -1)))"
        started = time.process_time()
        assert holds(source, {"l": many}) in ("too_much_work", "evaluation")
        assert time.process_time() - started < 2

    @pytest.mark.parametrize("source", ["(" * 400 + "true" + ")" * 400, "true || " * 600 + "true"])
    def test_an_expression_too_deep_or_too_long_does_not_load(self, source: str) -> None:
        assert ENGINE.check(source)

    def test_a_fact_is_worked_out_once_per_call_however_many_rules_ask(self) -> None:
        calls: list[str] = []

        def sql(text: str) -> Mapping[str, object]:
            calls.append(text)
            return {"writes": True, "tables": frozenset({"b", "a"})}

        engine = CelEngine({"sql": sql})
        given = facts({"q": "drop table a"})
        for source in ("sql(args.q).writes", "sql(args.q).tables == ['a', 'b']", "!sql(args.q).writes || true"):
            condition = CelCondition(engine=engine, program=engine.compile(f"({source}) == true"))
            assert condition.holds(given) is True
        assert calls == ["drop table a"]


@pytest.mark.parametrize("name", ["sql", "shell", "url", "fhir"])
def test_an_analysis_that_was_not_given_is_a_fault_that_says_so(name: str) -> None:
    fault = ENGINE.check(f"{name}(args.x).writes == true")[0]
    assert f"{name}() is not available" in fault.message
    assert "functions=" in fault.message


def test_a_policy_that_calls_an_analysis_loads_with_it_and_not_without() -> None:
    text = "rules:\n- {id: w, because: x, effect: deny, when: 'sql(args.q).writes == true'}"
    assert policy(text, functions={"sql": lambda _: {"writes": True}}).rules[0].id == "w"
    with pytest.raises(PolicyError, match=r"sql\(\) is not available"):
        policy(text)


def test_conditions_may_be_evaluated_by_many_threads_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    condition = CelCondition(engine=ENGINE, program=ENGINE.compile("phi(args).size() == args.n"))

    def ask(n: int) -> bool:
        data = {"n": n, **{f"k{i}": "x" for i in range(n)}}
        return condition.holds(facts(data, present=found(data, **{f"T{i}": f"k{i}" for i in range(n)})))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, [n % 7 for n in range(400)]))
