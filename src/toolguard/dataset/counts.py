"""What was done, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

__all__ = ["Counts"]


@dataclass(slots=True, kw_only=True)
class Counts:
    """Numbers of one chunk, file or run.

    Attributes:
        records: lines, rows or passages of text.
        masked: records in which something was found.
        withheld: records that could not be looked into, and bad lines that were let go.
        emptied: values of a typed column (a number, a date) that could not hold their replacement.
        types: identifier type → how often.
        columns: number of a column, from 0 → type → how often.
    """

    records: int = 0
    masked: int = 0
    withheld: int = 0
    emptied: int = 0
    types: Counter[str] = field(default_factory=Counter)
    columns: dict[int, Counter[str]] = field(default_factory=dict)

    def found(self, type: str, column: int | None = None) -> None:
        self.types[type] += 1
        if column is not None:
            self.columns.setdefault(column, Counter())[type] += 1

    def add(self, other: Counts) -> None:
        self.records += other.records
        self.masked += other.masked
        self.withheld += other.withheld
        self.emptied += other.emptied
        self.types.update(other.types)
        for column, types in other.columns.items():
            self.columns.setdefault(column, Counter()).update(types)

    def data(self) -> dict[str, Any]:
        """As JSON; `of` reads it."""
        return {
            "records": self.records,
            "masked": self.masked,
            "withheld": self.withheld,
            "emptied": self.emptied,
            "types": dict(sorted(self.types.items())),
            "columns": {str(n): dict(sorted(types.items())) for n, types in sorted(self.columns.items())},
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            records=int(data["records"]),
            masked=int(data["masked"]),
            withheld=int(data["withheld"]),
            emptied=int(data["emptied"]),
            types=Counter({str(k): int(v) for k, v in data["types"].items()}),
            columns={int(n): Counter({str(k): int(v) for k, v in t.items()}) for n, t in data["columns"].items()},
        )
