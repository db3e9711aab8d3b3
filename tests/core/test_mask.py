"""Masking: structure survives, spans never overlap, nothing marked stays in clear."""

from hypothesis import given
from hypothesis import strategies as st

from toolguard._core.flow.masking import token_findings
from toolguard._core.mask import Finding, apply_findings, leaf_text, leaves, merge_findings, restore_numbers, subtract
from toolguard._core.vault import token_spans


def star(finding, text):
    return f"<{finding.type}>"


def f(path, start, end, type="X", score=1.0, key=False):
    return Finding(path=path, start=start, end=end, type=type, score=score, key=key)


def test_every_string_number_and_key_is_a_leaf():
    value = {"a": ["x", 7, True, None], "b": {"c": 1.5}}
    assert [(leaf.path, leaf.text, leaf.kind) for leaf in leaves(value)] == [
        (("a",), "a", "key"),
        (("a", 0), "x", "str"),
        (("a", 1), "7", "number"),
        (("b",), "b", "key"),
        (("b", "c"), "c", "key"),
        (("b", "c"), "1.5", "number"),
    ]


def test_values_keys_and_numbers_are_replaced_and_the_rest_is_untouched():
    value = {"Ada": {"mrn": 123456, "note": "Ada was seen"}, "ok": [True, None, 5]}
    found = [f(("Ada",), 0, 3, "PERSON", key=True), f(("Ada", "mrn"), 0, 6, "MRN"), f(("Ada", "note"), 0, 3, "PERSON")]
    assert apply_findings(value, found, star) == {
        "<PERSON>": {"mrn": "<MRN>", "note": "<PERSON> was seen"},
        "ok": [True, None, 5],
    }


def test_keys_that_become_equal_stay_apart():
    value = {"Ada": 1, "Bea": 2, "Cy": 3}
    found = [f((k,), 0, len(k), "PERSON", key=True) for k in value]
    assert apply_findings(value, found, star) == {"<PERSON>": 1, "<PERSON>~2": 2, "<PERSON>~3": 3}


def test_overlapping_findings_unite_under_the_best_type():
    merged = merge_findings([f((), 0, 5, "PERSON", 0.6), f((), 3, 9, "EMAIL", 0.9), f((), 9, 12, "DATE"), f((), 4, 4)])
    assert [(m.start, m.end, m.type) for m in merged] == [(0, 9, "EMAIL"), (9, 12, "DATE")]


SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda p: f((), min(p), max(p))), max_size=8)


@given(SPANS)
def test_merged_findings_never_overlap_and_cover_what_was_marked(found):
    merged = merge_findings(found)
    marked = {i for s in found for i in range(s.start, s.end)}
    covered = [i for s in merged for i in range(s.start, s.end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == marked


@given(SPANS, SPANS)
def test_subtracting_leaves_exactly_what_is_not_taken(found, taken):
    left = subtract(found, taken)
    want = {i for s in found for i in range(s.start, s.end)} - {i for s in taken for i in range(s.start, s.end)}
    assert {i for s in left for i in range(s.start, s.end)} == want


@given(st.text(max_size=30), SPANS)
def test_nothing_marked_stays_in_clear_and_the_rest_is_kept(text, found):
    merged = merge_findings(s for s in found if s.end <= len(text))
    kept = "".join(c for i, c in enumerate(text) if not any(s.start <= i < s.end for s in merged))
    assert apply_findings(text, merged, lambda s, t: "") == kept
    assert all(leaf_text(text, s) == text[s.start : s.end] for s in merged)


def test_numbers_come_back_as_numbers():
    original = {"mrn": 123, "xs": [1.5, "2"], "name": "7"}
    assert restore_numbers({"mrn": "123", "xs": ["1.5", "2"], "name": "7"}, original) == original
    assert restore_numbers({"mrn": "124", "new": "1"}, original) == {"mrn": "124", "new": "1"}


PIECES = st.sampled_from(
    ["<MRN_1>", "MRN_1", "step_1", "9000-01-02", "m3@masked.example", "240.0.0.1", "plain", "_2x", "90"]
)
NUMBERS = st.sampled_from([900000000000001, 90000000000000, 900000000000001.0, 12, -1, True, None])
SHAPES = st.recursive(
    PIECES | NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PIECES, inner, max_size=3) | st.tuples(inner),
    max_leaves=8,
)


@given(SHAPES)
def test_the_fast_no_overlooks_nothing_that_reads_as_a_token(value):
    read = [
        (leaf.path, span.start, span.end)
        for leaf in leaves(value)
        if leaf.kind != "number" or leaf.text.startswith("900000000")
        for span in token_spans(leaf.text)
    ]
    assert [(f.path, f.start, f.end) for f, _ in token_findings(value)] == read
