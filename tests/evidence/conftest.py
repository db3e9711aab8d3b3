"""One June for all tests that only look at it, and the pack of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from evidence.hospital import JULY, JUNE, Hospital, june, period_of
from toolguard.evidence import Pack, Sampling, build_pack
from toolguard.journal import read_anchor
from toolguard.population import Population


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    hospital = june(tmp_path_factory.mktemp("june"), rounds=2)
    yield hospital
    hospital.store.close()


@pytest.fixture(scope="session")
def population(hospital: Hospital) -> Population:
    return period_of(hospital, JUNE, JULY)


@pytest.fixture(scope="session")
def pack(hospital: Hospital, population: Population) -> Pack:
    return packed(hospital, population)


def packed(hospital: Hospital, population: Population, **changes: object) -> Pack:
    given: dict[str, object] = {
        "anchors": read_anchor(hospital.anchor).notes,
        "sampling": Sampling(seed="auditor", n=4),
        "by": "Rena Ito",
        **changes,
    }
    return build_pack(population, hospital.audit, **given)  # type: ignore[arg-type] # a test says which
