"""T17: shifts, nights, hand-overs and stand-ins; who has which duty; and hours in which nobody could be asked."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from toolguard._core.call import Person
from toolguard.directory import FileDirectory, Gap, closure, coverage
from toolguard.errors import ConfigError

TEXT = """\
version: 1
persons:
  - {id: ada, name: Ada, identities: [{issuer: local, tenant: north, subject: ada}, {issuer: local, tenant: south, subject: ada}]}
  - {id: bo, name: Bo, identities: [{issuer: local, tenant: north, subject: bo}]}
  - {id: cy, name: Cy, identities: [{issuer: local, tenant: north, subject: cy}]}
  - {id: di, name: Di, identities: [{issuer: local, tenant: north, subject: di}]}
  - {id: sue, name: Sue, identities: [{issuer: local, tenant: south, subject: sue}]}
groups:
  - {name: privacy, tenant: north, members: [ada, {person: bo, until: 2026-07-05}]}
  - {name: privacy, tenant: south, members: [ada]}
  - {name: security, tenant: north, members: [cy]}
agents:
  - {name: scribe, tenant: north, owners: [di]}
services:
  - name: robot
    tenant: north
    owners: [cy]
    agents: [scribe]
    identities: [{issuer: local, tenant: north, subject: robot}]
schedules:
  - name: nights
    tenant: north
    tz: Europe/Berlin
    weekly:
      - {person: bo, days: [mon, tue], from: "19:00", until: "07:00"}
      - {person: cy, days: [sat], from: 08:00, until: 20:30}
      - {person: di, days: [sun], from: "00:00", until: "24:00", tz: UTC}
    entries:
      - {person: ada, from: 2026-07-01T10:00:00Z, until: 2026-07-01T12:00:00Z}
      - {person: cy, from: 2026-08-01, until: 2026-08-02}
delegations:
  - {from: ada, to: cy, tenant: north, since: 2026-07-01, until: 2026-07-14}
  - {from: cy, to: di, tenant: north, since: 2026-07-01, until: 2026-07-14}
  - {from: bo, to: di, tenant: north, since: 2026-07-01, until: 2026-07-14, groups: [privacy, "oncall:nights"]}
  - {from: ada, to: sue, tenant: north, since: 2026-07-01, until: 2026-07-14}
duties:
  - {tenant: north, freeze: ["group:security", "oncall:nights"], freeze_all: ["person:ada"], review: ["group:privacy"]}
"""


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def who(name: str, tenant: str = "north") -> Person:
    return Person(issuer="local", tenant=tenant, subject=name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "directory.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def directory(path: Path) -> FileDirectory:
    return FileDirectory(path)


# --- who is on call

ON_CALL = [
    ("2026-06-29T16:59:00+00:00", set()),  # Monday, 18:59 in Berlin
    ("2026-06-29T17:00:00+00:00", {"bo"}),
    ("2026-06-30T04:59:00+00:00", {"bo"}),  # past midnight: still Monday's shift
    ("2026-06-30T05:00:00+00:00", set()),
    ("2026-06-30T17:00:00+00:00", {"bo"}),
    ("2026-07-01T04:59:59+00:00", {"bo"}),  # Wednesday morning: Tuesday's shift
    ("2026-07-01T17:00:00+00:00", set()),  # Wednesday evening: nobody's
    ("2026-07-01T09:59:59+00:00", set()),
    ("2026-07-01T10:00:00+00:00", {"ada"}),
    ("2026-07-01T12:00:00+00:00", set()),
    ("2026-07-04T06:00:00+00:00", {"cy"}),  # Saturday 08:00, written without quotes
    ("2026-07-04T18:29:00+00:00", {"cy"}),
    ("2026-07-04T18:30:00+00:00", set()),
    ("2026-07-05T00:00:00+00:00", {"di"}),  # Sunday in UTC, whole
    ("2026-07-05T23:59:00+00:00", {"di"}),
    ("2026-01-05T17:59:00+00:00", set()),  # winter time: 18:59
    ("2026-01-05T18:00:00+00:00", {"bo"}),
    ("2026-07-31T23:59:59+00:00", set()),
    ("2026-08-02T23:00:00+00:00", {"cy", "di"}),  # a plain date counts whole
    ("2026-03-29T01:30:00+00:00", {"di"}),  # the clock is put forward
]


@pytest.mark.parametrize(("moment", "persons"), ON_CALL, ids=[m for m, _ in ON_CALL])
def test_t17_who_is_on_call(directory: FileDirectory, moment: str, persons: set[str]) -> None:
    assert {p.id for p in directory.members("north", "oncall:nights", at=at(moment))} == persons
    for person in ("ada", "bo", "cy", "di"):
        found = directory.person(who(person), at=at(moment))
        assert found is not None
        assert ("oncall:nights" in found.groups) is (person in persons)


def test_a_schedule_is_one_tenants(directory: FileDirectory) -> None:
    night = at("2026-06-29T20:00:00Z")
    assert directory.members("south", "oncall:nights", at=night) == ()
    assert directory.members("north", "oncall:no-such", at=night) == ()
    assert directory.members("north", "nights", at=night) == (), "a schedule is no group"


# --- who stands in for whom

JULY = at("2026-07-02T12:00:00Z")


def acting(directory: FileDirectory, name: str, moment: float = JULY) -> set[tuple[str, str]]:
    found = directory.person(who(name), at=moment)
    assert found is not None
    return set(found.acting)


def test_t17_who_stands_in_fills_the_others_seats_while_it_lasts(directory: FileDirectory) -> None:
    assert acting(directory, "cy") == {("group:privacy", "ada"), ("person:ada", "ada")}
    assert acting(directory, "cy", at("2026-06-30T23:59:59Z")) == set()
    assert acting(directory, "cy", at("2026-07-14T23:59:59Z")) != set()
    assert acting(directory, "cy", at("2026-07-15T00:00:00Z")) == set()


def test_t17_what_one_holds_for_another_is_not_passed_on(directory: FileDirectory) -> None:
    """Ada → Cy → Di: Di fills Cy's own seats, not Ada's."""
    assert {entry for entry in acting(directory, "di") if entry[1] == "cy"} == {
        ("group:security", "cy"),
        ("person:cy", "cy"),
    }
    assert not any(other == "ada" for _, other in acting(directory, "di"))


def test_a_delegation_of_some_groups_reaches_no_further(directory: FileDirectory) -> None:
    assert {e for e in acting(directory, "di") if e[1] == "bo"} == {("group:privacy", "bo")}
    night = at("2026-07-06T20:00:00Z")  # a Monday, and bo has left the group
    assert {e for e in acting(directory, "di", night) if e[1] == "bo"} == {("oncall:nights", "bo")}


def test_a_seat_is_filled_only_while_its_holder_has_it(directory: FileDirectory) -> None:
    assert ("group:privacy", "bo") in acting(directory, "di", at("2026-07-05T12:00:00Z"))
    assert ("group:privacy", "bo") not in acting(directory, "di", at("2026-07-06T12:00:00Z"))


# --- who has which duty


def test_duties_are_read_at_the_moment(directory: FileDirectory) -> None:
    assert directory.duty("north", "freeze", at=JULY) == {"cy"}
    assert directory.duty("north", "freeze", at=at("2026-06-29T20:00:00Z")) == {"cy", "bo"}
    assert directory.duty("north", "freeze_all", at=JULY) == {"ada"}
    assert directory.duty("north", "review", at=at("2026-07-09T00:00:00Z")) == {"ada"}
    assert directory.duty("north", "resolve", at=JULY) == frozenset()
    assert directory.duty("north", "approve", at=JULY) == frozenset()
    assert directory.duty("south", "freeze", at=JULY) == frozenset()


# --- who is on the asking side


@pytest.mark.parametrize(
    ("asking", "agent", "excluded"),
    [
        (["bo"], "scribe", {"bo", "di", "cy"}),
        (["bo", "ada"], "scribe", {"bo", "ada", "di", "cy"}),
        (["bo"], "unknown", {"bo"}),
        (["robot"], "unknown", {"service:robot", "cy"}),
        (["bo"], "robot", {"bo", "cy"}),
        ([], "scribe", {"di", "cy"}),
    ],
)
def test_invariant_3_the_requester_closure(
    directory: FileDirectory, asking: list[str], agent: str, excluded: set[str]
) -> None:
    persons = [p for name in asking if (p := directory.person(who(name), at=JULY)) is not None]
    assert len(persons) == len(asking)
    assert closure(directory, "north", agent, persons, at=JULY) == excluded


# --- hours nobody could be asked

MONDAY = at("2026-06-29T00:00:00Z")
HOUR = 3600.0


def test_t17_every_hour_without_a_quorum_is_found(directory: FileDirectory) -> None:
    assert coverage(directory, "north", ["group:privacy"], 1, start=MONDAY) == ()
    assert coverage(directory, "north", ["group:privacy"], 2, start=MONDAY) == (), "bo is there to the last day"
    assert coverage(directory, "north", ["group:privacy"], 2, start=MONDAY, hours=24 * 8) == (
        Gap(start=at("2026-07-06T00:00:00Z"), end=MONDAY + 24 * 8 * HOUR, present=1),
    )
    nights = coverage(directory, "north", ["oncall:nights"], 1, start=MONDAY, hours=48)
    assert [((g.start - MONDAY) / HOUR, (g.end - MONDAY) / HOUR) for g in nights] == [(0, 17), (29, 41)]
    assert coverage(directory, "north", ["oncall:nights", "person:di"], 1, start=MONDAY) == ()
    assert coverage(directory, "north", ["group:privacy", "person:ada"], 3, start=MONDAY, hours=1)[0].present == 2
    assert coverage(directory, "north", [], 1, start=MONDAY, hours=1) == (
        Gap(start=MONDAY, end=MONDAY + HOUR, present=0),
    )


def test_a_gap_of_a_quarter_of_an_hour_is_seen(path: Path) -> None:
    path.write_text(TEXT.replace("until: 2026-07-01T12:00:00Z", "until: 2026-07-01T11:45:00Z"))
    gaps = coverage(FileDirectory(path), "north", ["oncall:nights"], 1, start=at("2026-07-01T10:00:00Z"), hours=2)
    assert [g.start for g in gaps] == [at("2026-07-01T11:45:00Z")]


# --- a file that is wrong

FAULTS = {
    "a person nobody knows on a rota": ("{person: bo, days", "{person: eve, days", "'eve'"),
    "a person nobody knows in a shift": ("{person: ada, from: 2026-07-01T", "{person: eve, from: 2026-07-01T", "'eve'"),
    "a stand-in nobody knows": ("{from: ada, to: cy", "{from: ada, to: eve", "'eve'"),
    "a stand-in for themselves": ("{from: ada, to: cy", "{from: ada, to: ada", "themselves"),
    "a delegation that never was": (
        "since: 2026-07-01, until: 2026-07-14, groups",
        "since: 2026-08-01, until: 2026-07-14, groups",
        "ends before",
    ),
    "a delegation without an end": ("until: 2026-07-14, groups", "groups", "until"),
    "a delegation of no groups": ('groups: [privacy, "oncall:nights"]', "groups: []", "groups"),
    "a delegation of a group that is not there": ("groups: [privacy,", "groups: [privat,", "'privat'"),
    "a shift that never was": ("until: 2026-07-01T12:00:00Z", "until: 2026-07-01T09:00:00Z", "ends before"),
    "a day there is not": ("days: [sat]", "days: [caturday]", "days"),
    "no day": ("days: [sat]", "days: []", "days"),
    "an hour there is not": ('from: "19:00"', 'from: "25:00"', "time of day"),
    "an hour in words": ('from: "19:00"', 'from: "evening"', "time of day"),
    "a zone there is not": ("tz: Europe/Berlin", "tz: Europe/Brelin", "time zone"),
    "a zone outside": ("tz: Europe/Berlin", "tz: ../../etc/passwd", "time zone"),
    "a duty of a group that is not there": ('freeze: ["group:security"', 'freeze: ["group:secruity"', "secruity"),
    "a duty of nobody": ('freeze_all: ["person:ada"]', 'freeze_all: ["person:eve"]', "eve"),
    "a duty of a rota that is not there": ('"oncall:nights"], freeze_all', '"oncall:days"], freeze_all', "oncall:days"),
    "a duty of everybody": ('freeze_all: ["person:ada"]', 'freeze_all: ["*"]', "freeze_all"),
    "a duty there is not": ("freeze_all:", "unfreeze_all:", "unfreeze_all"),
    "a rota twice": ("  - name: nights\n", "  - {name: nights, tenant: north}\n  - name: nights\n", "twice"),
    "duties of a tenant twice": ("duties:\n", "duties:\n  - {tenant: north}\n", "twice"),
}


@pytest.mark.parametrize(("old", "new", "told"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_promises_what_it_does_not_hold_is_refused(path: Path, old: str, new: str, told: str) -> None:
    assert old in TEXT
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError, match="line") as caught:
        FileDirectory(path)
    assert told in str(caught.value)


def test_thousands_of_persons_are_found_without_walking_through_them(tmp_path: Path) -> None:
    """2,000 persons in 40 groups: a look-up is far below a millisecond however many there are."""
    lines = ["version: 1", "persons:"]
    lines += [
        f"  - {{id: p{i}, name: P, identities: [{{issuer: local, tenant: t, subject: p{i}}}]}}" for i in range(2000)
    ]
    lines += ["groups:"]
    lines += [
        f"  - {{name: g{g}, tenant: t, members: [{', '.join(f'p{i}' for i in range(g, 2000, 8))}]}}" for g in range(40)
    ]
    path = tmp_path / "directory.yaml"
    path.write_text("\n".join(lines))
    directory = FileDirectory(path)
    begun = time.process_time()
    for i in range(500):
        assert directory.person(who(f"p{i}", "t"), at=JULY) is not None
    assert time.process_time() - begun < 0.5, "a walk through all of them took 2.3 s"


def test_a_file_that_was_just_written_is_not_parsed_again_for_every_question(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from toolguard.directory import file

    parsed: list[int] = []
    parse = file.parse_directory
    monkeypatch.setattr(file, "parse_directory", lambda *a, **k: parsed.append(1) or parse(*a, **k))
    directory = FileDirectory(path)
    for _ in range(20):
        directory.person(who("ada"), at=JULY)
    assert len(parsed) == 1
    path.write_text(TEXT.replace("members: [cy]", "members: [bo]"))
    found = directory.person(who("bo"), at=JULY)
    assert found is not None
    assert "security" in found.groups
    assert len(parsed) == 2
