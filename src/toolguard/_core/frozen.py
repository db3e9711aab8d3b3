"""Frozen objects made fast: what stands on every call's path is made dozens of times a call.

A frozen dataclass writes each field through ``object.__setattr__``, which takes three times as long as a plain
assignment. Here an object is of a writable class with the same slots while its fields are written, and of its own class
from then on: as frozen, as comparable and as hashable as without it. And calling a class with keywords takes three times as
long as calling a function with them, so where it counts, objects are made by the class's `maker`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from operator import attrgetter
from typing import Any, ParamSpec, TypeVar, cast

__all__ = ["changed", "made_fast", "maker"]

P = ParamSpec("P")
T = TypeVar("T")
_MAKERS: dict[object, Callable[..., Any]] = {}
_READERS: dict[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {}
_write_class: Callable[[object, type], None] = object.__dict__["__class__"].__set__


def made_fast(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, whose ``__init__`` writes its fields directly.

    Raises:
        TypeError: it is none, inherits fields, has a ``__post_init__`` or a field that is not given to ``__init__``; or,
            when an object is made, it is of a subclass.
    """
    every, parameters = fields(cls), getattr(cls, "__dataclass_params__")  # type: ignore[arg-type] # noqa: B009 - said by `dataclass` alone
    slots: tuple[str, ...] = cls.__dict__.get("__slots__", ())
    plain = slots == tuple(f.name for f in every) and all(f.init for f in every)
    if not (plain and parameters.frozen) or hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__name__!r} is no plain frozen dataclass with slots; make it one")
    blank = type(f"{cls.__name__}Unwritten", cls.__bases__, {"__slots__": slots, "__module__": cls.__module__})
    _READERS[cls] = slots, _reader(slots)
    init, _MAKERS[cls] = _written(cls, blank, every)
    init.__annotations__ = cls.__init__.__annotations__
    setattr(cls, "__init__", init)  # noqa: B010 - an assignment to a method is a fault to mypy
    return cls


def maker(cls: Callable[P, T]) -> Callable[P, T]:
    """What makes an object of a class made fast: the same parameters as the class, the same object, sooner.

    Raises:
        TypeError: the class is not made fast.
    """
    made = _MAKERS.get(cls)
    if made is None:
        raise TypeError(f"objects of {getattr(cls, '__name__', '')!r} are not made fast; call the class")
    return cast("Callable[P, T]", made)


def _written(cls: type, blank: type, every: tuple[Field[Any], ...]) -> tuple[Callable[..., None], Callable[..., Any]]:
    """``__init__`` and the maker: both write every field of a blank object, which then is of its own class."""
    known: dict[str, Any] = {"_write_class": _write_class, "_blank": blank, "_own": cls, "_MISSING": MISSING}
    given, body, starred = list[str](), "", False
    for field in every:
        name, value = field.name, field.name
        if field.kw_only and not starred:
            given.append("*")
            starred = True
        if field.default_factory is not MISSING:
            known[f"_make_{name}"] = field.default_factory
            given.append(f"{name}=_MISSING")
            value = f"_make_{name}() if {name} is _MISSING else {name}"
        elif field.default is not MISSING:
            known[f"_default_{name}"] = field.default
            given.append(f"{name}=_default_{name}")
        else:
            given.append(name)
        body += f"    self.{name} = {value}\n"
    body += "    self.__class__ = _own\n"
    text = (
        f"def __init__({', '.join(['self', *given])}):\n"
        "    if self.__class__ is not _own:\n"
        "        raise TypeError('objects of a class made fast are of no other class')\n"
        f"    _write_class(self, _blank)\n{body}"
        f"def made({', '.join(given)}):\n"
        f"    self = _blank()\n{body}"
        "    return self\n"
    )
    exec(text, known)  # noqa: S102 - as `dataclasses` does: the text is made of the class's own field names
    init, made = known["__init__"], known["made"]
    for function, name in ((init, "__init__"), (made, "made")):
        function.__qualname__ = f"{cls.__qualname__}.{name}"
        function.__module__ = cls.__module__
    return init, made


def _reader(slots: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(slots) > 1:
        return attrgetter(*slots)
    return lambda value: tuple(getattr(value, name) for name in slots)


def changed(value: T, **changes: Any) -> T:
    """`dataclasses.replace`, faster for an object made fast. Raises TypeError for any other."""
    known = _READERS.get(type(value))
    if known is None:
        raise TypeError(f"objects of {type(value).__name__!r} are not made fast; use dataclasses.replace")
    names, read = known
    made: T = _MAKERS[type(value)](**{**dict(zip(names, read(value), strict=True)), **changes})
    return made
