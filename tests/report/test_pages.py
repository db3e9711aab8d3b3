"""Pages an auditor is shown: whole in themselves, safe to open, fit for paper, and true to the records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from evidence.hospital import CANARIES, DAY, JUNE, Hospital, period_of
from toolguard._core.audit import AuditRecord, Kind
from toolguard.evidence import call_proofs
from toolguard.journal import timeline
from toolguard.population import EIGHTEEN, FRAMEWORKS, Population, matrix_of
from toolguard.report import State, call_page, matrix_page, report_page

WHOLE = [State(tone="ok", title="holds together")]


class Page(HTMLParser):
    """What a page holds: its elements, the ids in it, what it points at, and its text."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: set[str] = set()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        self.links |= {v or "" for k, v in attrs if k in ("href", "src", "action", "poster", "data", "srcset")}
        if tag not in ("meta", "i", "path", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f" {data}"


def pages(hospital: Hospital, population: Population) -> Iterator[tuple[str, bytes]]:
    for name in FRAMEWORKS:
        yield name, report_page(population, matrix_of(population, name), WHOLE)
    yield "all", matrix_page(population, [matrix_of(population, name) for name in FRAMEWORKS])
    for name, call in hospital.calls.items():
        records = timeline(hospital.store, call)
        yield name, call_page(records, call_proofs(hospital.store, records).shown, integrity=WHOLE)


def test_pages_need_no_script_and_nothing_from_elsewhere(hospital: Hospital, population: Population) -> None:
    for name, page in pages(hospital, population):
        read = Page(page)
        assert not read.elements & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}, name
        assert not {a for a in read.attributes if a.startswith("on")}, name
        assert all(re.fullmatch(r"#[a-z-]+|[A-Za-z0-9/._-]+", link) for link in read.links), name
        assert b"default-src 'none'" in page
        assert b"@import" not in page
        assert b"url(" not in page
        assert read.open == [], name


def test_every_link_within_a_page_leads_somewhere(hospital: Hospital, population: Population) -> None:
    for name, page in pages(hospital, population):
        read = Page(page)
        assert {link[1:] for link in read.links if link.startswith("#")} <= read.ids, name


def test_no_identifier_is_on_any_page(hospital: Hospital, population: Population) -> None:
    for _, page in pages(hospital, population):
        assert not [canary for canary in CANARIES if canary.encode() in page]


def test_pages_are_for_light_and_dark_screens_and_for_paper(population: Population) -> None:
    page = report_page(population, matrix_of(population, "hipaa"), WHOLE).decode()
    assert "@media screen and (prefers-color-scheme: dark)" in page
    assert "@page { size: A4" in page
    assert "break-inside: avoid" in page
    assert 'name="color-scheme" content="light dark"' in page


def test_the_same_population_gives_the_same_page(hospital: Hospital, population: Population) -> None:
    for (_, one), (_, other) in zip(pages(hospital, population), pages(hospital, population), strict=True):
        assert one == other


def test_a_page_says_what_it_cannot_show_and_never_that_a_control_is_met(population: Population) -> None:
    for name in FRAMEWORKS:
        text = Page(report_page(population, matrix_of(population, name), WHOLE)).text
        assert "What this does not show" in text
        assert "Calls that did not go through the guard" in text
        assert not re.search(
            r"complian|certif(?!icate and license)|conform|satisf|100 ?%.{0,20}control", text, re.IGNORECASE
        )


def test_none_is_said_of_every_control_without_evidence(hospital: Hospital) -> None:
    empty = period_of(hospital, JUNE - 30 * DAY, JUNE - 20 * DAY)
    for name, framework in FRAMEWORKS.items():
        page = report_page(empty, matrix_of(empty, name), WHOLE).decode()
        controls = page[page.index('id="controls"') : page.index('id="exceptions"')]
        assert controls.count('<span class="none">none</span>') == len(framework.controls)
        assert "No call was judged in this period." in page


def test_the_page_of_a_control_shows_people_exceptions_and_identifiers(population: Population) -> None:
    text = " ".join(Page(report_page(population, matrix_of(population, "hipaa"), WHOLE)).text.split())
    assert "ana and chen 1 2" in text
    assert "standing approval" in text
    assert "rena, 2026-06" in text
    assert all(name in text for name in EIGHTEEN)
    assert "holds together" in text


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "\u202egnp.exe"]
)
def test_hostile_names_are_text(hospital: Hospital, hostile: str) -> None:
    records = [_renamed(r, hostile) for r in timeline(hospital.store, hospital.calls["cohort"])]
    page = call_page(records, [], integrity=WHOLE)
    read = Page(page)
    assert not read.elements & {"script", "img"}
    assert "49" not in re.findall(r"<h1>.*?</h1>", page.decode())[0]
    assert "\u202e" not in page.decode()
    shown = hostile.replace("\u202e", "\\u202e")
    assert shown in read.text


def _renamed(record: AuditRecord, name: str) -> AuditRecord:
    return replace(record, draft=replace(record.draft, body={**record.draft.body, "gen_ai.tool.name": name}))


TOLD = [
    (
        "cohort",
        ["Decided: require approval", "2 persons have to say yes", "chen said yes", "dora said yes", "It returned"],
    ),
    ("letter-2", ["chen said no", "The request ended: denied", "It did not run"]),
    ("letter-0", ["ben was not let decide", "self approval"]),
    ("letter-1", ["dora was shown in clear what decides the call"]),
    ("letter-3", ["The request ended: expired", "Nobody answered in time"]),
    ("glass", ["emma broke the glass", "Act: break glass"]),
    ("lost", ["Nobody saw its end", "rena reviewed it: not justified"]),
    ("failed", ["The tool raised", "RuntimeError"]),
    ("denied", ["Decided: deny", "It was denied and did not run."]),
    ("let through", ["the policy was only tried out"]),
    ("standing", ["a yes that was let stand covers it"]),
]


@pytest.mark.parametrize(("name", "told"), TOLD, ids=[t[0] for t in TOLD])
def test_the_page_of_a_call_tells_its_story(hospital: Hospital, name: str, told: list[str]) -> None:
    records = timeline(hospital.store, hospital.calls[name])
    text = " ".join(Page(call_page(records, [], integrity=WHOLE)).text.split())
    for sentence in told:
        assert sentence in text, sentence
    assert all(record.hash in text for record in records)


def test_other_arguments_than_were_judged_are_cried_out(hospital: Hospital) -> None:
    records = [
        replace(r, draft=replace(r.draft, body={**r.draft.body, "toolguard.args.hmac": "v1:other"}))
        if r.draft.kind is Kind.CALL_EXECUTING
        else r
        for r in timeline(hospital.store, hospital.calls["cohort"])
    ]
    assert "WITH OTHER ARGUMENTS THAN WERE JUDGED" in Page(call_page(records, [])).text


def test_the_proof_on_a_page_is_that_of_the_journal(hospital: Hospital) -> None:
    from toolguard._core.tree import verify_inclusion

    records = timeline(hospital.store, hospital.calls["cohort"])
    proofs = call_proofs(hospital.store, records)
    assert proofs.note.startswith("toolguard/")
    assert len(proofs.shown) == 2
    text = Page(call_page(records, proofs.shown, note=proofs.note)).text
    for proof in proofs.shown:
        assert verify_inclusion(proof["leaf"], proof["seq"] - 1, proof["tree_size"], proof["proof"], proof["root"])
        assert all(step in text for step in proof["proof"])
