"""The shipped model: what it finds, what it leaves, where the offsets point, and that it can be shared."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import pycrfsuite
import pytest

from detection_tagger.probe import probes
from toolguard.detection.tagger import CrfTagger, load
from toolguard.detection.tagger import gazetteer as gazetteer_file
from toolguard.detection.tagger import model as model_file
from toolguard.detection.tagger.features import Features
from toolguard.detection.tagger.tokens import tokenize
from toolguard.errors import DetectionError


def found(tagger: CrfTagger, text: str) -> list[tuple[str, str]]:
    return [(finding.type, text[finding.start : finding.end]) for finding in tagger.tag(text)]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Pt Adaeze Okafor was seen for asthma.", "PERSON", "Adaeze Okafor"),
        ("Referred by Dr. Venkataraman for cellulitis.", "PERSON", "Dr. Venkataraman"),
        ("Follow-up with Nguyen, Thu-Ha about the biopsy.", "PERSON", "Nguyen, Thu-Ha"),
        ("Seen today: Siobhán O'Reilly, with back pain.", "PERSON", "Siobhán O'Reilly"),
        ("Patient Włodzimierz Kowalczyk has gout.", "PERSON", "Włodzimierz Kowalczyk"),
        ("Spoke with Fatima Al-Masri about her labs.", "PERSON", "Fatima Al-Masri"),
        ("Her son Kwabena Osei will drive her home.", "PERSON", "Kwabena Osei"),
        ("Patient: Ji-hoon Park, here for a rash.", "PERSON", "Ji-hoon Park"),
        ("Keoni Kealoha came in with a fever.", "PERSON", "Keoni Kealoha"),
        ("Guidelines for gout in a 40-year-old man, Pedro R., with CKD?", "PERSON", "Pedro R."),
        ("J. Abernathy called about the bill.", "PERSON", "J. Abernathy"),
        ("pt olumide bakare 40m c/o cp x2d, sob", "PERSON", "olumide bakare"),
        ("PT OLUMIDE BAKARE ADMITTED WITH CHEST PAIN.", "PERSON", "OLUMIDE BAKARE"),
        ("She moved to Chula Vista in 2019.", "LOCATION", "Chula Vista"),
        ("He was admitted to St. Brendan Medical Center overnight.", "FACILITY", "St. Brendan Medical Center"),
        ("Transferred from Maple Grove Nursing Home today.", "FACILITY", "Maple Grove Nursing Home"),
        ("Lives at 212 Cape Breton Rd Apt 5B, Portland, ME 04101 with his son.", "ADDRESS", "212 Cape Breton Rd Apt 5B, Portland, ME 04101"),
        ("Surgery was on March 3rd, 2023 without problems.", "DATE", "March 3rd, 2023"),
        ("seen on the third of march twenty twenty four for a flare", "DATE", "third of march twenty twenty four"),
        ("Symptoms got worse in October.", "DATE", "October"),
        ("Updated 2024-05-12T13:22:01Z by the clerk.", "DATE", "2024-05-12T13:22:01Z"),
        ("PID|1||00912837^^^NMH^MR||KOWALCZYK^AGNIESZKA^M||19620911|F", "PERSON", "KOWALCZYK^AGNIESZKA^M"),
        ("SELECT * FROM patients WHERE last_name = 'Thibodeaux';", "PERSON", "Thibodeaux"),
        ("The 94-year-old woman fell.", "AGE", "94"),
        ("MRN: 7719204 was merged.", "ID", "7719204"),
        ("Reach him at (507) 555-0143 after noon.", "PHONE", "(507) 555-0143"),
    ],
)  # fmt: skip
def test_identifiers_are_found(tagger: CrfTagger, text: str, kind: str, value: str) -> None:
    assert (kind, value) in [(name, span.removeprefix("the ")) for name, span in found(tagger, text)]


@pytest.mark.parametrize(
    "text",
    [
        "Graves disease, Wilson's disease and Bell's palsy can present with eye findings.",
        "Babinski negative, Kernig's sign absent; Foley catheter placed; McBurney's point tender.",
        "ICD-10 codes I10, E11.65 and Z79.4; CPT 99214; LOINC 718-7.",
        "BP 142/88, HR 76, RR 16, SpO2 96% RA, Temp 37.1 C, BMI 28.4",
        "Start ceftriaxone 1 g IV q24h and azithromycin 500 mg. Take 1/2 tab at 8:00.",
        "Mark the site, bill the insurer, and chase the consult. Patient may shower.",
        "SELECT region, COUNT(*) FROM claims WHERE status = 'paid' AND amount > 5000 GROUP BY region;",
        "docker compose up -d --build && git push origin main",
        "What is the dose of apixaban in an 81-year-old with atrial fibrillation?",
        "A 67-year-old male with COPD, diagnosed in 2019, on tiotropium.",
        "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)",
        "She is taking Lisinopril and Spiriva, and was switched from Eliquis.",
        "uuid 123e4567-e89b-12d3-a456-426614174000 generated for the trace",
        "Strength 5/5, reflexes 2/4, vision 20/40, pain 6/10.",
        "",
        "  \n\t ",
        "!!! --- ???",
    ],
)
def test_clinical_facts_code_and_eponyms_stay(tagger: CrfTagger, text: str) -> None:
    assert found(tagger, text) == []


def test_a_year_alone_stays(tagger: CrfTagger) -> None:
    assert found(tagger, "He was diagnosed with gout in 2018 and takes allopurinol.") == []


def test_offsets_point_into_the_given_text_with_emoji_line_breaks_and_combining_marks(tagger: CrfTagger) -> None:
    text = "🙂🙂\r\n\r\nRe\u0301sume\u0301: patient Tomasz Nowak\r\nwas seen 😀 on March 3, 2023\u200b."
    got = found(tagger, text)
    assert ("PERSON", "Tomasz Nowak") in got
    assert ("DATE", "March 3, 2023") in got


def test_findings_are_ordered_apart_and_inside_the_text(tagger: CrfTagger) -> None:
    for _, text, _ in probes():
        last = 0
        for finding in tagger.tag(text):
            assert last <= finding.start < finding.end <= len(text)
            assert finding.path == ()
            assert not finding.key
            assert 0 < finding.score <= 1
            last = finding.end


def test_a_name_found_once_is_found_again_in_the_same_text(tagger: CrfTagger) -> None:
    text = "Patient Agnieszka Kowalczyk was admitted.\n\nOrthostatics improved; Kowalczyk tolerated clears."
    assert text.count("Kowalczyk") == sum("Kowalczyk" in span for _, span in found(tagger, text))


def test_long_texts_are_cut_without_losing_or_moving_anything(tagger: CrfTagger) -> None:
    line = "Patient Agnieszka Kowalczyk was admitted to Fenwick Hospital on March 3, 2023 with gout.\n"
    text = line * 300
    once = found(tagger, line)
    assert len(once) == 3
    assert found(tagger, text) == once * 300


def test_one_tagger_serves_many_threads_with_the_same_answers(tagger: CrfTagger) -> None:
    texts = [text for _, text, _ in probes()] * 2
    alone = [tagger.tag(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tagger.tag, texts)) == alone


def test_answers_do_not_depend_on_what_was_tagged_before() -> None:
    fresh, used = CrfTagger.load(), CrfTagger.load()
    texts = [text for _, text, _ in probes()]
    for text in reversed(texts):
        used.tag(text)
    assert [used.tag(text) for text in texts] == [fresh.tag(text) for text in texts]


def test_our_own_texts_of_many_genres_are_mostly_hidden_and_facts_mostly_kept(tagger: CrfTagger) -> None:
    whole = hidden = marked = right = 0
    for _, text, spans in probes():
        covered = {at for finding in tagger.tag(text) for at in range(finding.start, finding.end) if text[at].isalnum()}
        gold = {at for start, end in spans for at in range(start, end) if text[at].isalnum()}
        whole += len(spans)
        hidden += sum(all(at in covered or not text[at].isalnum() for at in range(start, end)) for start, end in spans)
        marked += len(covered)
        right += len(covered & gold)
    assert hidden / whole >= 0.85
    assert right / marked >= 0.93


def test_loading_is_quick_and_needs_no_heavy_library_and_no_network() -> None:
    code = (
        "import sys, time, socket\n"
        "def refuse(*_, **__): raise OSError('no network')\n"
        "socket.socket = refuse\n"
        "from toolguard.detection.tagger import CrfTagger\n"
        "begun = time.process_time(); CrfTagger.load().tag('Patient Tomasz Nowak'); took = time.process_time() - begun\n"
        "heavy = {'spacy', 'presidio_analyzer', 'numpy', 'torch', 'training', 'faker'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert took < 1.0, took\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_tagger_is_fast_enough_to_run_on_every_argument(tagger: CrfTagger) -> None:
    text = (
        "Patient Agnieszka Kowalczyk was admitted to Fenwick Hospital on March 3, 2023 with gout, on allopurinol 100 mg daily. "
        * 200
    )
    tagger.tag(text)
    begun = time.process_time()
    tagger.tag(text)
    assert len(text) / (time.process_time() - begun) > 100_000  # a tenth of what it does, so that a slow machine passes


def test_errors_hold_nothing_of_the_text(tagger: CrfTagger, monkeypatch: pytest.MonkeyPatch) -> None:
    own = CrfTagger.load()

    def fail(_: object) -> list[list[str]]:
        raise ValueError("Agnieszka Kowalczyk")

    monkeypatch.setattr(own, "_features", fail)
    with pytest.raises(DetectionError) as caught:
        own.tag("Patient Agnieszka Kowalczyk")
    assert "Kowalczyk" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_damaged_model_is_refused_with_a_clear_error() -> None:
    data = resources.files("toolguard.detection.tagger") / "data"
    model, gazetteer = (data / "fast.model").read_bytes(), (data / "gazetteer.z").read_bytes()
    for models, words in (([b"not a model"], gazetteer), ([model[:9000]], gazetteer), ([model], b"not a list")):
        with pytest.raises(DetectionError, match="damaged"):
            CrfTagger(models, words)


def test_a_profile_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(DetectionError, match=r"'best'.*accurate.*fast"):
        load("best")


def test_profiles_have_versions_of_their_own(tagger: CrfTagger, accurate: CrfTagger) -> None:
    assert load("fast").version == tagger.version != accurate.version


def test_the_accurate_profile_hides_no_less_of_our_own_texts_than_the_fast_one(
    tagger: CrfTagger, accurate: CrfTagger
) -> None:
    counts = {"fast": 0, "accurate": 0}
    for _, text, spans in probes():
        for name, one in (("fast", tagger), ("accurate", accurate)):
            covered = {at for finding in one.tag(text) for at in range(finding.start, finding.end)}
            counts[name] += sum(all(at in covered for at in range(*span) if text[at].isalnum()) for span in spans)
    assert counts["accurate"] >= counts["fast"]


@pytest.mark.parametrize(("least", "hides"), [(0.0, True), (1.01, False)])
def test_several_models_hide_what_their_mean_probability_says(least: float, hides: bool) -> None:
    data = resources.files("toolguard.detection.tagger") / "data"
    models = [(data / name).read_bytes() for name in ("fast.model", "second.model")]
    tagger = CrfTagger(models, (data / "gazetteer.z").read_bytes(), least=least)
    assert bool(tagger.tag("Patient Agnieszka Kowalczyk takes metformin.")) is hides


def test_features_the_model_does_not_know_are_left_out_without_changing_its_answer() -> None:
    data = resources.files("toolguard.detection.tagger") / "data"
    crf, known = model_file.unpack((data / "fast.model").read_bytes())
    flags = gazetteer_file.unpack((data / "gazetteer.z").read_bytes())
    every, few, model = Features(flags), Features(flags, known=known), pycrfsuite.Tagger()
    model.open_inmemory(crf)
    for _, text, _ in probes():
        words = tokenize(text)[0]
        all_rows, rows = every(words), few(words)
        assert [set(row) & known for row in all_rows] == [set(row) & known for row in rows]
        assert model.tag(all_rows) == model.tag(rows)


@pytest.mark.parametrize("names", [["a"], ["k=Xx: O", "w=\\n", "-0=x y"]])
def test_a_packed_model_reads_back_the_same(names: list[str]) -> None:
    assert model_file.unpack(model_file.pack(b"crf", names)) == (b"crf", frozenset(name.encode() for name in names))
