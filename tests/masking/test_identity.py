"""mask → unmask is the identity; planted tokens never resolve; masking twice changes nothing; types survive."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masking.samples import CUTS, FREE, MANGLED, TEXTS, WRITTEN, pieces
from toolguard import BoundTool, Caller, Guard
from toolguard._core.call import Tool
from toolguard._core.vault import token_spans
from toolguard.testing import WordDetector

WORDS = {
    "Ada Byron": "PERSON",
    "ADA BYRON": "PERSON",
    "Byron": "PERSON",
    "1815-12-10": "DATE",
    "4711001": "MRN",
    "é": "ID",
}
MIXED = st.lists(st.one_of(st.sampled_from(list(WORDS)), FREE), max_size=8).map("".join)
JSON = st.recursive(
    st.one_of(
        MIXED,
        st.booleans(),
        st.none(),
        st.integers(),
        st.just(4711001),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(MIXED, inner, max_size=3)),
    max_leaves=8,
)
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def guard():
    from masking.conftest import HEAD, TOOLS
    from toolguard.policyfile import load_policy

    guard = Guard(load_policy(HEAD + TOOLS), detector=WordDetector(WORDS))
    yield guard
    guard.close()


_runs = itertools.count()


@pytest.fixture
def fresh(guard):
    """``fresh()``: a session nobody used."""
    return lambda: guard.session(caller=Caller.of("ana", agent="desk", tenant="general"), run=f"run-{next(_runs)}")


def free_of_tokens(text):
    return not token_spans(text)


@SLOW
@given(text=MIXED.filter(free_of_tokens))
def test_what_was_masked_comes_back_exactly(fresh, text):
    with fresh() as session:
        masked = session.mask(text)
        assert not any(word in masked for word in WORDS)
        assert session.reveal(masked, purpose="treatment").text == text


@SLOW
@given(
    text=st.lists(st.sampled_from([*WORDS, " ", ", ", "saw ", "\n", "(", ")", "é"]), max_size=9).map("".join),
    form=st.sampled_from(MANGLED),
    lower=st.booleans(),
)
def test_however_the_model_mangles_the_tokens(fresh, text, form, lower):
    """A bare token only where no letter, digit or underscore touches it: else it is a longer word."""
    with fresh() as session:
        masked = session.mask(text)
        out, at = [], 0
        for span in token_spans(masked):
            name = str(span.token)[1:-1]
            bare = form == "{}"
            around = masked[span.start - 1 : span.start] + masked[span.end : span.end + 1]
            touched = bare and (any(c.isalnum() or c in "_<>" for c in around))
            written = f"<{name}>" if touched else form.format(name.lower() if lower and not bare else name)
            out += [masked[at : span.start], written]
            at = span.end
        mangled = "".join([*out, masked[at:]])
        assert session.reveal(mangled, purpose="treatment").text == text


@SLOW
@given(text=MIXED.filter(free_of_tokens), cuts=CUTS, as_bytes=st.booleans())
def test_and_however_a_stream_cuts_them(fresh, text, cuts, as_bytes):
    with fresh() as session:
        masked = session.mask(text)
        stream = session.stream_reveal(purpose="treatment")
        data = masked.encode() if as_bytes else masked
        assert "".join(stream.over(pieces(data, cuts))) == text
        assert stream.unknown == ()


def planting(text):
    """A tool that returns ``text``."""
    return BoundTool(tool=Tool.describe("find", source="tests"), invoke=lambda passed: text)


@SLOW
@given(text=TEXTS)
def test_planted_tokens_never_resolve_and_are_not_lost(fresh, text):
    """What a tool returns is shaped like tokens: it stands for itself, for people and for tools that are trusted."""
    got = []
    with fresh() as session:
        session.mask("Ada Byron, born 1815-12-10, 4711001", schema={"type": "string"})
        planted = session.call(planting(text), {})
        assert session.mask(planted) == planted
        shown = session.reveal(planted, purpose="treatment")
        assert (shown.text, shown.unknown) == (text, ())
        letter = Tool.describe("letter", source="tests")
        session.call(BoundTool(tool=letter, invoke=got.append), {"body": planted})
        assert not any(word in got[0]["body"] for word in ("Ada Byron", "1815-12-10", "4711001"))


@pytest.mark.parametrize("written", WRITTEN)
def test_a_planted_token_is_escaped_and_comes_back_as_it_was(fresh, written):
    with fresh() as session:
        session.mask("Ada Byron")
        text = f"see {written}, please"
        planted = session.call(planting(text), {})
        assert planted == "see <LITERAL_1>, please"
        assert session.reveal(planted, purpose="treatment").text == text


@SLOW
@given(value=JSON, origin=st.sampled_from(["user", "system", "result", "trusted", "model"]))
def test_masking_twice_changes_nothing(fresh, value, origin):
    with fresh() as session:
        once = session.mask(value, origin=origin)
        assert session.mask(once, origin=origin) == once
        assert session.mask(once, origin="user") == once or origin == "model"


@SLOW
@given(value=JSON)
def test_structure_survives(fresh, value):
    with fresh() as session:
        assert _shape(session.mask(value)) == _shape(value)


def _shape(value):
    if isinstance(value, dict):
        return [_shape(v) for v in value.values()]
    if isinstance(value, list):
        return [[_shape(v) for v in value]]
    return value if value is None or isinstance(value, bool) else "scalar"


@SLOW
@given(texts=st.lists(MIXED, min_size=1, max_size=5))
def test_one_identifier_stays_one_token_over_any_number_of_texts(fresh, texts):
    with fresh() as session:
        first = session.mask("Ada Byron")
        masked = [session.mask(text) for text in texts]
        assert session.mask("Ada Byron") == first == "<PERSON_1>"
        assert [session.mask(text) for text in texts] == masked
