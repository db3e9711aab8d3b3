"""The model can be made again: generator and trainer give the same for the same seed."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from random import Random

import pytest
from training.generate import Document, documents, every_template, expand
from training.slots import SLOT, Scene
from training.train_tagger import RECIPES, label_tokens, train

from toolguard.detection.tagger import CrfTagger
from toolguard.detection.tagger.gazetteer import pack, unpack
from toolguard.detection.tagger.tokens import tokenize

GAZETTEER = Path(str(resources.files("toolguard.detection.tagger") / "data" / "gazetteer.z"))


@pytest.fixture(scope="module")
def made() -> list[Document]:
    return list(documents(500, 3))


def test_equal_seeds_give_equal_documents_and_others_differ(made: list[Document]) -> None:
    assert list(documents(40, 3)) == made[:40]
    assert list(documents(40, 8)) != made[:40]


def test_spans_lie_inside_their_text_in_order(made: list[Document]) -> None:
    for document in made:
        last = 0
        for start, end, _ in document.spans:
            assert last <= start < end <= len(document.text)
            last = end


def test_every_genre_and_every_label_occurs(made: list[Document]) -> None:
    genres = {"query", "notes", "triage", "spoken", "chat", "spanish", "structured", "form", "records"}
    genres |= {"general", "ward", "admin", "sms"}
    labels = {"PERSON", "LOCATION", "FACILITY", "ADDRESS", "DATE", "ID", "PHONE", "EMAIL", "AGE"}
    assert {document.genre for document in made} == genres
    assert {label for document in made for *_, label in document.spans} == labels


def test_no_slot_is_left_unfilled(made: list[Document]) -> None:
    assert not [document.text for document in made if set("⟨¦⟩«»") & set(document.text)]


def test_every_template_names_only_slots_and_pieces_that_exist() -> None:
    scene = Scene(Random(1))
    for template in every_template():
        whole = expand(template, Random(1))
        for match in SLOT.finditer(whole):
            assert scene.fill(match[1] or match[3], match[2] or ""), template


def test_tokens_are_labelled_exactly_where_a_span_lies(made: list[Document]) -> None:
    for document in made:
        words, starts, ends = tokenize(document.text)
        inside = [
            any(s < end and start < e for s, e, _ in document.spans) for start, end in zip(starts, ends, strict=True)
        ]
        assert label_tokens(document)[0] == words
        assert [label != "O" for label in label_tokens(document)[1]] == inside


def test_training_twice_gives_the_same_model_byte_for_byte(tmp_path: Path) -> None:
    models = []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.crfsuite"
        train(out, GAZETTEER, count=120, seed=5, iterations=20, c1=0.1, c2=0.01)
        models.append(out.read_bytes())
    assert models[0] == models[1]
    text = "Patient: Maria Garcia seen at Mercy Hospital on 03/14/2023."
    assert any("Garcia" in text[f.start : f.end] for f in CrfTagger([models[0]], GAZETTEER.read_bytes()).tag(text))


def test_every_model_of_the_package_has_its_recipe() -> None:
    assert {path.name for path in GAZETTEER.parent.glob("*.model")} == set(RECIPES)


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    for seed in (1, 2):
        train(tmp_path / str(seed), GAZETTEER, count=60, seed=seed, iterations=5, c1=0.1, c2=0.01)
    assert (tmp_path / "1").read_bytes() != (tmp_path / "2").read_bytes()


@pytest.mark.parametrize("flags", [{"grace": "FW", "okafor": "L"}, {"a": "W"}])
def test_a_packed_gazetteer_reads_back_the_same(flags: dict[str, str]) -> None:
    assert unpack(pack(flags)) == flags
