"""Objects that notebooks show as a page, and IPython as a few lines. How, `toolguard.display` knows: above everything else."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Shown"]


class Shown:
    """Asks `toolguard.display` once somebody looks, so that what is shown need not know how."""

    __slots__ = ()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._repr_pretty_ = Shown._repr_pretty_  # type: ignore[method-assign] # IPython takes a class's own __repr__ before a base's

    def _repr_html_(self) -> str:
        return str(_view(self).html)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(_view(self).text)


def _view(shown: object) -> Any:
    return importlib.import_module("toolguard.display").view(shown)
