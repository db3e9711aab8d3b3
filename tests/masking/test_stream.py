"""Streams: whatever cuts them, what comes out is what would come out of the whole; little is held back."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masking.samples import CUTS, ISSUED, TEXTS, WRITTEN, pieces
from toolguard._core.jsonscan import JsonScan, Part, in_string
from toolguard._core.stream import HELD, StreamMask, StreamMaskJson, StreamUnmask
from toolguard._core.vault import Token, unmask_text
from toolguard.errors import DeniedError, DetectionError
from toolguard.testing import BrokenDetector

MANY = settings(max_examples=150)


def unmasked(deltas, values=ISSUED, **kind):
    machine = StreamUnmask(**kind)
    out = [machine.write(machine.take(delta), values) for delta in deltas]
    return [*out, machine.write(machine.close(), values)]


@MANY
@given(text=TEXTS, cuts=CUTS, as_bytes=st.booleans())
def test_a_stream_of_text_gives_what_the_whole_text_gives(text, cuts, as_bytes):
    data = text.encode() if as_bytes else text
    assert "".join(unmasked(pieces(data, cuts))) == unmask_text(text, ISSUED)[0]


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("a ", " b"), ("(", ")."), ("é", "\n"), ("x", "y"), ("1", "2")]
)
def test_a_token_that_comes_letter_by_letter(written, before, after):
    text = before + written + after
    assert "".join(unmasked(list(text))) == unmask_text(text, ISSUED)[0]
    data = text.encode()
    assert "".join(unmasked([data[i : i + 1] for i in range(len(data))])) == unmask_text(text, ISSUED)[0]


VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.just(900000000000007), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@MANY
@given(value=VALUES, cuts=CUTS, as_bytes=st.booleans(), ascii=st.booleans())
def test_a_stream_of_json_stays_json_and_gives_what_the_whole_gives(value, cuts, as_bytes, ascii):
    """Also where ``<`` or ``é`` are written as escapes, and an escape or a pair of surrogates is cut in two."""
    text = json.dumps(value, ensure_ascii=ascii).replace("<", "\\u003c" if ascii else "<")
    values = {**ISSUED, Token(type="AS_INTEGER", index=7): "4711"}
    out = "".join(unmasked(pieces(text.encode() if as_bytes else text, cuts), values, json=True))
    assert json.loads(out, object_pairs_hook=list) == _whole(value, values)


def _whole(value, values):
    if isinstance(value, str):
        return unmask_text(value, values)[0]
    if isinstance(value, list):
        return [_whole(v, values) for v in value]
    if isinstance(value, dict):
        return [(_whole(k, values), _whole(v, values)) for k, v in value.items()]
    return 4711 if value == 900000000000007 and not isinstance(value, bool) else value


def test_a_value_in_place_of_a_number_is_a_number_or_text():
    values = {Token(type="AS_INTEGER", index=7): "00123"}
    assert "".join(unmasked(['{"mrn": 900000000', "000007}"], values, json=True)) == '{"mrn": "00123"}'


@pytest.mark.parametrize(
    ("deltas", "out"),
    [
        (["Hello ", "there, ", "Ana ", "is in"], ["Hello ", "there, ", "Ana ", "is in", ""]),
        (["see <PERS", "ON_", "1", ">, ok"], ["see ", "", "", 'Ada "Ace" Byron\\é, ok', ""]),
        (["<b>bold", "</b>"], ["", "<b>bold</b>", ""]),
        (["PERSON_1", "2 is unknown"], ["", "PERSON_12 is unknown", ""]),
        (["a < b", " and c"], ["a < b", " and c", ""]),
    ],
)
def test_only_what_may_be_the_beginning_of_a_token_is_held_back(deltas, out):
    got = unmasked(deltas)
    assert "".join(got) == "".join(out)
    if deltas[0] != "<b>bold":
        assert got == out


@MANY
@given(text=TEXTS, cuts=CUTS)
def test_no_more_is_held_back_than_a_token_is_long(text, cuts):
    machine, given_in, given_out = StreamUnmask(), 0, 0
    for delta in pieces(text, cuts):
        given_out += sum(len(p.text) for p in machine.take(delta))
        given_in += len(delta)
        assert given_in - given_out <= HELD


# --- masking --------------------------------------------------------------------------------------------

LONG = "Ada Byron was seen on 1815-12-10. Her number is 4711001! " * 3 + "and so on without an end " * 20 + "Byron"


@pytest.mark.parametrize("size", [1, 2, 7, 50, 5000])
def test_a_masked_stream_is_the_masked_text(session, size):
    with session() as one, session() as two:
        whole = one.mask(LONG)
        stream = two.stream_mask()
        data = LONG.encode()
        assert "".join(stream.over(data[i : i + size] for i in range(0, len(data), size))) == whole


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["Ada Byron", " ", ". ", "\n", "x" * 90, "word ", "é", "1815-12-10"]), max_size=12), CUTS
)
def test_nothing_found_is_cut_and_at_most_a_sentence_is_held(parts, cuts):
    text = "".join(parts)
    machine, out = StreamMask(), ""
    chunks = pieces(text, cuts)
    for index, delta in enumerate([*chunks, ""]):
        final = index == len(chunks)
        window = machine.take(delta, final=final)
        if window is not None:
            found = [i for i in range(len(window.text)) if window.text.startswith("Ada Byron", i)]
            start, end = machine.give(window, [(i, i + 9) for i in found], final=final)
            assert not any(i < end < i + 9 for i in found)
            out += window.text[start:end]
        assert len(text) - len(out) - sum(map(len, chunks[index + 1 :])) <= HELD + len("Ada Byron") or final
    assert out == text


@MANY
@given(value=VALUES, cuts=CUTS, ascii=st.booleans())
def test_json_is_taken_apart_and_put_together_again(value, cuts, ascii):
    machine = StreamMaskJson()
    parts = [part for delta in pieces(json.dumps(value, ensure_ascii=ascii), cuts) for part in machine.take(delta)]
    parts += machine.close()
    text = "".join(part if isinstance(part, str) else json.dumps(part.value) for part in parts)
    assert json.loads(text) == value
    keys = [p.value for p in parts if not isinstance(p, str) and p.key]
    assert keys == list(_keys(value))


def _keys(value):
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from [key] if isinstance(value, dict) else []
        yield from _keys(item)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_arguments_of_a_tool_call_are_masked_as_they_come(session, size):
    arguments = {"who": {"name": "Ada Byron", "mrn": 4711001, "tags": ["Byron", "x"]}, "Ada Byron": None, "n": 3}
    text = json.dumps(arguments)
    with session() as open_session:
        stream = open_session.stream_mask(json=True)
        out = "".join(stream.over(text[i : i + size] for i in range(0, len(text), size)))
        masked = json.loads(out)
        shown = "".join(open_session.stream_reveal(purpose="treatment", json=True).over([out]))
        assert json.loads(shown) == {**arguments, "who": {**arguments["who"], "mrn": "4711001"}}
    assert masked == {
        "who": {"name": "<PERSON_1>", "mrn": "<MRN_1>", "tags": ["<PERSON_2>", "x"]},
        "<PERSON_1>": None,
        "n": 3,
    }


# --- who may see it, and the trail ----------------------------------------------------------------------


@pytest.fixture(params=["sync", "async"])
def through(request):
    """``through(stream, deltas)``: everything that comes out."""

    def go(stream, deltas):
        if request.param == "sync":
            return list(stream.over(deltas))

        async def collect():
            async def source():
                for delta in deltas:
                    yield delta

            return [piece async for piece in stream.aover(source())]

        return asyncio.run(collect())

    return go


def test_each_token_is_revealed_and_recorded_once(session, through):
    with session() as open_session:
        masked = open_session.mask("Ada Byron, 4711001, Ada Byron")
        out = through(open_session.stream_reveal(purpose="treatment"), [*masked, None, *masked])
        assert "".join(out) == "Ada Byron, 4711001, Ada Byron" * 2
        records = open_session.guard.parts.store.records()
    told = [r.draft.body["toolguard.phi.released"] for r in records if r.draft.kind == "values.revealed"]
    assert told == [["PERSON:1"], ["MRN:1"]]


def test_whoever_may_not_see_values_gets_none(policy, ana, through, session):
    rules = """
        rules:
        - {id: nobody, because: Not here., match: {tool: toolguard.reveal}, effect: deny}
    """
    with session(rules) as open_session:
        masked = open_session.mask("so: Ada Byron")
        with pytest.raises(DeniedError):
            through(open_session.stream_reveal(purpose="treatment"), list(masked))


def test_text_without_tokens_needs_no_leave(session, through):
    with session("rules: [{id: nobody, because: No., match: {tool: toolguard.reveal}, effect: deny}]") as open_session:
        assert "".join(through(open_session.stream_reveal(purpose="x"), ["nothing ", "here"])) == "nothing here"


def test_unknown_tokens_are_left_and_named(session):
    with session() as open_session:
        stream = open_session.stream_reveal(purpose="treatment")
        assert "".join(stream.over(["<PERSON_7> and ", "<AS_DATE_3>"])) == "<PERSON_7> and <AS_DATE_3>"
        assert stream.unknown == ("<AS_DATE_3>", "<PERSON_7>")


def test_what_cannot_be_looked_into_is_not_given_out(policy, ana, through):
    from toolguard import Guard

    with Guard(policy(), detector=BrokenDetector()).session(caller=ana) as open_session:
        with pytest.raises(DetectionError):
            through(open_session.stream_mask(), ["Ada Byron. And", " more. "])


# --- the scanner ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r'"a\"b"', 'a"b'),
        (r'"\u00e9"', "é"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83dx"', "\ud83dx"),
        (r'"\ud83d\n"', "\ud83d\n"),
        (r'"\ud83d\u0041"', "\ud83dA"),
        (r'"\u00zz"', r"\u00zz"),
        (r'"\/\\"', "/\\"),
    ],
)
def test_escapes_are_decoded_however_they_are_cut(text, inside):
    for cut in range(len(text)):
        scan = JsonScan()
        got = [*scan.take(text[:cut]), *scan.take(text[cut:])]
        assert "".join(piece for part, piece in got if part is Part.TEXT) == inside


@given(st.text(st.characters(exclude_categories=[])))
def test_text_in_a_string_is_read_back(text):
    assert json.loads(f'"{in_string(text)}"') == text
    in_string(text).encode()
