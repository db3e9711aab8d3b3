"""Objects that notebooks show as a page, and IPython as a few lines. How, they are told from above: see `toolguard.display`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

__all__ = ["Look", "Shown"]


class Look(Protocol):
    """How an object is shown."""

    @property
    def html(self) -> str: ...

    @property
    def text(self) -> str: ...


class Shown:
    """Asks ``how`` once somebody looks, so that what is shown need not know how.

    ``how`` is said once, where the package begins (`toolguard/__init__.py`); nothing here reaches up.
    """

    __slots__ = ()
    how: ClassVar[Callable[[object], Look]]

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._repr_pretty_ = Shown._repr_pretty_  # type: ignore[method-assign] # IPython takes a class's own __repr__ before a base's

    def _repr_html_(self) -> str:
        return str(Shown.how(self).html)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(Shown.how(self).text)
