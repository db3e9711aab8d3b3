"""The model can be made again: generator and trainer give the same for the same seed."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest
from training.generate import documents
from training.train_tagger import label_tokens, train

from toolguard.detection.tagger import CrfTagger
from toolguard.detection.tagger.gazetteer import pack, unpack

GAZETTEER = Path(str(resources.files("toolguard.detection.tagger") / "data" / "gazetteer.z"))


def test_equal_seeds_give_equal_documents_and_others_differ() -> None:
    assert list(documents(40, 7)) == list(documents(40, 7))
    assert list(documents(40, 7)) != list(documents(40, 8))


def test_spans_lie_inside_their_text_in_order() -> None:
    for document in documents(400, 11):
        last = 0
        for start, end, label in document.spans:
            assert last <= start < end <= len(document.text)
            assert label in {"PERSON", "LOCATION", "FACILITY", "ADDRESS", "DATE", "ID", "PHONE", "EMAIL", "AGE"}
            last = end


def test_every_genre_and_every_label_occurs() -> None:
    made = list(documents(600, 3))
    assert {document.genre for document in made} == {
        "query",
        "notes",
        "triage",
        "spoken",
        "chat",
        "spanish",
        "structured",
        "form",
        "records",
    }
    assert len({label for document in made for *_, label in document.spans}) == 9


def test_no_slot_is_left_unfilled() -> None:
    assert not [document.text for document in documents(800, 5) if "⟨" in document.text or "¦" in document.text]


def test_every_labelled_span_is_labelled_token_by_token() -> None:
    for document in documents(100, 13):
        words, labels = label_tokens(document)
        assert len(words) == len(labels)
        assert sum(label[0] == "B" for label in labels) == len(
            [s for s in document.spans if document.text[s[0] : s[1]].strip()]
        )


def test_training_twice_gives_the_same_model_byte_for_byte(tmp_path: Path) -> None:
    models = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.crfsuite"
        train(out, GAZETTEER, count=150, seed=5, iterations=25, c1=0.1, c2=0.01)
        models.append(out.read_bytes())
    assert models[0] == models[1]
    text = "Patient: Maria Garcia seen at Mercy Hospital on 03/14/2023."
    assert any("Garcia" in text[f.start : f.end] for f in CrfTagger(models[0], GAZETTEER.read_bytes()).tag(text))


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    for seed in (1, 2):
        train(tmp_path / str(seed), GAZETTEER, count=60, seed=seed, iterations=5, c1=0.1, c2=0.01)
    assert (tmp_path / "1").read_bytes() != (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("flags", [{"grace": "FW", "okafor": "L"}, {"a": "W"}])
def test_a_packed_gazetteer_reads_back_the_same(flags: dict[str, str]) -> None:
    assert unpack(pack(flags)) == flags
