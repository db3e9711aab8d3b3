"""Objects made fast are what frozen dataclasses are: frozen, equal, hashable, copied and pickled."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from toolguard._core.audit import Draft, Kind
from toolguard._core.call import Arguments, CallRef
from toolguard._core.flow.setting import Judged, Permit, Setting
from toolguard._core.frozen import changed, made_fast, maker
from toolguard._core.steps import Change


@made_fast
@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One of each kind of field."""

    a: int
    b: str = "b"
    c: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Base:
    a: int


def test_fields_are_written_as_a_dataclass_writes_them() -> None:
    box = Box(a=1)
    assert (box.a, box.b, box.c) == (1, "b", [])
    assert box.c is not Box(a=1).c
    assert repr(box) == "Box(a=1, b='b', c=[])"
    assert box == Box(a=1)
    assert box != Box(a=2)
    assert type(box) is Box


@pytest.mark.parametrize("given", [{}, {"b": "x"}, {"a": 1, "z": 2}])
def test_a_missing_or_unknown_field_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Box(**given)  # type: ignore[arg-type] # that is what is tried


@pytest.mark.parametrize(
    "change", [lambda b: setattr(b, "a", 2), lambda b: delattr(b, "a"), lambda b: setattr(b, "x", 2)]
)
def test_what_was_made_does_not_change(change: object) -> None:
    box = Box(a=1)
    with pytest.raises((FrozenInstanceError, TypeError, AttributeError)):
        change(box)  # type: ignore[operator] # one of the three above
    assert box == Box(a=1)


@pytest.mark.parametrize("kind", [Arguments, CallRef, Change, Draft, Judged, Permit, Setting])
def test_what_decides_over_a_call_is_frozen(kind: type) -> None:
    made = kind.__new__(kind)
    with pytest.raises(FrozenInstanceError):
        setattr(made, next(iter(kind.__slots__)), None)  # type: ignore[attr-defined] # every one has slots


def test_copies_pickles_and_replacements_are_equal_and_frozen() -> None:
    draft = Draft(kind=Kind.CALL_DECIDED, at=1.0, started=1.0, body={"a": "b"})
    for other in (copy.copy(draft), copy.deepcopy(draft), pickle.loads(pickle.dumps(draft)), replace(draft, at=1.0)):
        assert other == draft
        with pytest.raises(FrozenInstanceError):
            other.at = 2.0  # type: ignore[misc] # that is what is tried


def test_a_maker_makes_what_the_class_makes() -> None:
    make = maker(Box)
    assert make(a=1, b="c", c=[1]) == Box(a=1, b="c", c=[1])
    assert make(a=1) == Box(a=1)
    assert type(make(a=1)) is Box
    assert make(a=1).c is not make(a=1).c
    with pytest.raises(FrozenInstanceError):
        make(a=1).a = 2  # type: ignore[misc] # that is what is tried


@pytest.mark.parametrize("given", [{}, {"b": "x"}, {"a": 1, "z": 2}])
def test_a_maker_refuses_a_missing_or_unknown_field(given: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        maker(Box)(**given)  # type: ignore[arg-type] # that is what is tried


def test_a_class_that_is_not_made_fast_has_no_maker() -> None:
    with pytest.raises(TypeError, match="'Base' are not made fast"):
        maker(Base)


def test_a_subclass_is_refused_aloud_instead_of_made_a_box() -> None:
    class Sub(Box):  # type: ignore[misc] # that is what is tried
        __slots__ = ()

    with pytest.raises(TypeError, match="no other class"):
        Sub(a=1)
    with pytest.raises(TypeError, match="not made fast"):
        maker(Sub)


def test_classes_it_would_change_are_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class After:
        a: int

        def __post_init__(self) -> None: ...

    @dataclass(frozen=True, slots=True)
    class Heir(Base):
        b: int

    @dataclass
    class Loose:
        a: int

    for kind in (After, Heir, Loose):
        with pytest.raises(TypeError, match="no plain frozen dataclass"):
            made_fast(kind)


def test_changed_gives_what_replace_gives() -> None:
    change = Change(tenant="t", marks=())
    assert changed(change, tenant="u", limits=()) == replace(change, tenant="u", limits=())
    with pytest.raises(TypeError):
        changed(change, nobody=1)
    with pytest.raises(TypeError, match="not made fast"):
        changed(Base(a=1), a=2)
