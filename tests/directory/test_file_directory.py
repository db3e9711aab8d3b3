"""Who is who: groups by tenant and time, linked identities, and a file that changes or breaks."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from toolguard._core.call import Person
from toolguard.directory import FileDirectory
from toolguard.errors import ConfigError
from toolguard.ports import Directory

TEXT = """\
version: 1
persons:
  - id: ada
    name: Ada Lovelace
    identities:
      - {issuer: local, tenant: st-marys, subject: ada}
      - {issuer: https://login.example, tenant: st-marys, subject: a-1}
      - {issuer: local, tenant: st-lukes, subject: ada}
  - id: grace
    name: Grace Hopper
    identities:
      - {issuer: local, tenant: st-marys, subject: grace}
groups:
  - name: officers
    tenant: st-marys
    members:
      - ada
      - {person: grace, from: 2026-03-01, until: 2026-03-31}
  - name: officers
    tenant: st-lukes
    members: []
  - name: night
    tenant: st-marys
    members:
      - {person: grace, from: 2026-03-01T20:00:00Z, until: 2026-03-02T08:00:00+02:00}
agents:
  - {name: scribe, tenant: st-marys, owners: [grace]}
services:
  - name: ward-guard
    tenant: st-marys
    owners: [ada]
    agents: [scribe]
    identities:
      - {issuer: local, tenant: st-marys, subject: ward-guard}
"""


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


MARCH = at("2026-03-15T12:00:00Z")
ADA = Person(issuer="local", tenant="st-marys", subject="ada")
GRACE = Person(issuer="local", tenant="st-marys", subject="grace")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "directory.yaml"
    path.write_text(TEXT)
    return path


@pytest.fixture
def directory(path: Path) -> Directory:
    return FileDirectory(path)


def test_all_linked_identities_are_one_person(directory: Directory) -> None:
    one = directory.person(ADA, at=MARCH)
    two = directory.person(Person(issuer="https://login.example", tenant="st-marys", subject="a-1"), at=MARCH)
    assert one is not None
    assert one == two
    assert one.id == "ada"
    assert one.human
    assert len(one.identities) == 3


@pytest.mark.parametrize(
    "stranger",
    [
        Person(issuer="local", tenant="st-marys", subject="ADA"),
        Person(issuer="elsewhere", tenant="st-marys", subject="ada"),
        Person(issuer="local", tenant="st-johns", subject="ada"),
    ],
)
def test_an_identity_matches_exactly_or_not_at_all(directory: Directory, stranger: Person) -> None:
    assert directory.person(stranger, at=MARCH) is None


def test_a_group_of_the_same_name_in_another_tenant_is_another_group(directory: Directory) -> None:
    here = directory.person(ADA, at=MARCH)
    there = directory.person(Person(issuer="local", tenant="st-lukes", subject="ada"), at=MARCH)
    assert here is not None
    assert there is not None
    assert here.groups == {"officers"}
    assert there.groups == frozenset()
    assert [p.id for p in directory.members("st-marys", "officers", at=MARCH)] == ["ada", "grace"]
    assert directory.members("st-lukes", "officers", at=MARCH) == ()


@pytest.mark.parametrize(
    ("moment", "groups"),
    [
        ("2026-02-28T23:59:59Z", set()),
        ("2026-03-01T00:00:00Z", {"officers"}),
        ("2026-03-01T19:59:59Z", {"officers"}),
        ("2026-03-01T20:00:00Z", {"officers", "night"}),
        ("2026-03-02T05:59:59Z", {"officers", "night"}),
        ("2026-03-02T06:00:00Z", {"officers"}),
        ("2026-03-31T23:59:59Z", {"officers"}),
        ("2026-04-01T00:00:00Z", set()),
    ],
)
def test_membership_has_a_beginning_and_an_end(directory: Directory, moment: str, groups: set[str]) -> None:
    person = directory.person(GRACE, at=at(moment))
    assert person is not None
    assert person.groups == groups
    listed = {
        g for g in ("officers", "night") if "grace" in {p.id for p in directory.members("st-marys", g, at=at(moment))}
    }
    assert listed == groups


def test_a_service_account_is_not_a_human(directory: Directory) -> None:
    found = directory.person(Person(issuer="local", tenant="st-marys", subject="ward-guard"), at=MARCH)
    assert found is not None
    assert not found.human
    assert found.id == "service:ward-guard"
    assert found.groups == frozenset()


@pytest.mark.parametrize(
    ("tenant", "agent", "owners"),
    [
        ("st-marys", "scribe", {"grace", "ada"}),
        ("st-marys", "ward-guard", {"ada"}),
        ("st-lukes", "scribe", set()),
        ("st-marys", "unknown", set()),
    ],
)
def test_owners_of_an_agent_include_those_of_its_service(
    directory: Directory, tenant: str, agent: str, owners: set[str]
) -> None:
    assert directory.owners_of(tenant, agent, at=MARCH) == owners


def test_a_change_counts_at_the_next_question_even_within_one_tick_of_the_clock(path: Path) -> None:
    directory = FileDirectory(path)
    for _ in range(20):
        path.write_text(TEXT.replace("      - ada\n", "      - {person: ada, until: 2020-01-01}\n"))
        found = directory.person(ADA, at=MARCH)
        assert found is not None
        assert found.groups == frozenset()
        path.write_text(TEXT)
        found = directory.person(ADA, at=MARCH)
        assert found is not None
        assert found.groups == {"officers"}


def test_an_old_unchanged_file_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(path, (time.time() - 60, time.time() - 60))
    directory = FileDirectory(path)
    monkeypatch.setattr("toolguard.directory.file.parse_directory", lambda *_, **__: pytest.fail("read again"))
    assert directory.person(ADA, at=MARCH) is not None


@pytest.mark.parametrize(
    "broken", ["version: 1\npersons: [", "version: 2\n", "persons: 3\nversion: 1\n", "\ufffe", "{[1]: 2}", "- " * 5000]
)
def test_a_file_that_breaks_after_the_start_answers_nothing(path: Path, broken: str) -> None:
    directory = FileDirectory(path)
    path.write_text(broken)
    for _ in range(2):
        with pytest.raises(ConfigError):
            directory.person(ADA, at=MARCH)
        with pytest.raises(ConfigError):
            directory.members("st-marys", "officers", at=MARCH)
        with pytest.raises(ConfigError):
            directory.owners_of("st-marys", "scribe", at=MARCH)
    path.write_text(TEXT)
    assert directory.person(ADA, at=MARCH) is not None


def test_a_file_that_goes_away_answers_nothing(path: Path) -> None:
    os.utime(path, (time.time() - 60, time.time() - 60))
    directory = FileDirectory(path)
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        directory.person(ADA, at=MARCH)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("subject: grace", "subject: ada", 12, "already linked to 'ada'"),
        ("subject: ward-guard", "subject: ada", 34, "already linked to 'ada'"),
        ("id: grace", "id: ada", 9, "stands twice"),
        ("owners: [grace]", "owners: [alan]", 27, "no person has the id 'alan'"),
        ("      - ada\n", "      - alan\n", 17, "no person has the id 'alan'"),
        ("name: night", "name: officers", 22, "stands twice"),
        ("version: 1", "version: 1\nversion: 1", 2, "stands twice"),
        ("name: Grace Hopper", "nmae: Grace Hopper", 9, "field required"),
        ("from: 2026-03-01T20:00:00Z", "from: 2026-03-01T20:00:00", 25, "needs a zone"),
        ("from: 2026-03-01T20:00:00Z", "from: soon", 25, "valid"),
        ("id: grace", "id: service:grace", 9, "match"),
        ("      - {issuer: local, tenant: st-marys, subject: grace}", "      []", 12, "at least 1"),
    ],
)
def test_a_wrong_file_stops_the_start_and_names_the_line(path: Path, old: str, new: str, line: int, says: str) -> None:
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ConfigError, match=f"line {line}: .*{says}"):
        FileDirectory(path)


def test_every_fault_is_named_at_once(path: Path) -> None:
    path.write_text(TEXT.replace("owners: [grace]", "owners: [alan]").replace("subject: grace", "subject: ada"))
    with pytest.raises(ConfigError) as caught:
        FileDirectory(path)
    assert "line 12" in str(caught.value)
    assert "line 27" in str(caught.value)
