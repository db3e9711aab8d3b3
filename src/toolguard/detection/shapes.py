"""Identifiers of a tenant's own: patterns from its policy, matched in time linear in the text (RE2).

RE2 knows no look-around and no back-reference, so no pattern and no text can make a match slow. What it does not
take is refused when the pattern is loaded, with the place and what to write in its stead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import re2

from toolguard._core.masking import Shape
from toolguard.detection.normalise import fold
from toolguard.detection.spans import Span
from toolguard.errors import ConfigError

__all__ = ["Shapes", "check_pattern"]

_LABEL_REACH = 200
_LONGEST = 2_000
_ADVICE = (
    ("(?=", "look-ahead is not supported, write what follows into the pattern"),
    ("(?!", "look-ahead is not supported, name what may follow as a character class"),
    ("(?<=", "look-behind is not supported, use labels: for what stands before"),
    ("(?<!", "look-behind is not supported, begin the pattern with \\b"),
    ("(?>", "atomic groups are not needed here, write (?: instead"),
    ("(?P=", "a back-reference is not supported, write the alternatives out"),
    ("(?(", "a condition is not supported, write two shapes"),
    ("(?#", "comments are not supported in a pattern, put them beside it in the policy"),
    ("\\Z", "write \\z, or nothing: a shape need not reach the end of the text"),
    ("*+", "a possessive repeat is not needed here, write * alone"),
    ("++", "a possessive repeat is not needed here, write + alone"),
    ("?+", "a possessive repeat is not needed here, write ? alone"),
)


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # RE2 would print the pattern to standard error
    options.max_mem = 8 << 20
    return options


def check_pattern(pattern: str) -> Any:
    """The compiled pattern.

    Raises:
        ConfigError: it is no pattern of linear time, is too long, or matches nothing at all; with position and advice.
    """
    if len(pattern) > _LONGEST:
        raise ConfigError(f"a pattern of {len(pattern)} characters is too long (limit {_LONGEST}), make several shapes")
    try:
        compiled = re2.compile(pattern, _options())
    except re2.error as error:
        raise _refused(pattern, str(error)) from None
    if compiled.search("") is not None:
        raise ConfigError(
            f"pattern {pattern!r} matches the empty text, at position 1: demand at least one character (+ instead of *)"
        )
    return compiled


def _refused(pattern: str, said: str) -> ConfigError:
    if said.startswith(("b'", 'b"')):
        said = said[2:-1].replace("\\\\", "\\")
    for construct, advice in _ADVICE:
        at = pattern.find(construct)
        if at >= 0:
            return ConfigError(f"pattern {pattern!r} is not supported at position {at + 1} ({construct}): {advice}")
    for number in range(1, 10):
        at = pattern.find(f"\\{number}")
        if at >= 0:
            return ConfigError(
                f"pattern {pattern!r} is not supported at position {at + 1} (\\{number}): "
                "a back-reference is not supported, write the alternatives out"
            )
    what, _, piece = said.partition(": ")
    at = max(pattern.rfind(piece) if piece else 0, 0)
    return ConfigError(
        f"pattern {pattern!r} is not valid at position {at + 1} ({what}): escape the character with a backslash if it is meant literally, "
        "close what is open, and keep repeats at 1000 or fewer"
    )


class Shapes:
    """The shapes of one policy, compiled. Thread-safe."""

    def __init__(self, shapes: Iterable[Shape] = ()) -> None:
        """Raises ConfigError for a pattern that `check_pattern` refuses."""
        self._shapes = [
            (check_pattern(shape.pattern), tuple(fold(label) for label in shape.labels), shape) for shape in shapes
        ]

    def __bool__(self) -> bool:
        return bool(self._shapes)

    @property
    def types(self) -> frozenset[str]:
        return frozenset(shape.type for _, _, shape in self._shapes)

    def find(self, text: str) -> list[Span]:
        """Every match in ``text`` (normalised) that has one of its labels before it in its line."""
        out: list[Span] = []
        lowered = fold(text) if any(labels for _, labels, _ in self._shapes) else ""
        if len(lowered) != len(text):  # folding ligatures apart moves offsets; look label by label instead
            lowered = ""
        for pattern, labels, shape in self._shapes:
            for start, end in _matches(pattern, text):
                if labels and not _announced(text, lowered, start, labels):
                    continue
                out.append(Span(start, end, shape.type, shape.score, f"shape:{shape.name}"))
        return out


def _matches(pattern: Any, text: str) -> Iterator[tuple[int, int]]:
    """Ranges of the matches; of the first group, where the pattern has one that took part."""
    for match in pattern.finditer(text):
        start, end = match.span(1) if match.re.groups and match.span(1)[1] > 0 else match.span()
        if end > start:
            yield start, end


def _announced(text: str, lowered: str, start: int, labels: tuple[str, ...]) -> bool:
    line = max(text.rfind("\n", 0, start) + 1, start - _LABEL_REACH)
    before = lowered[line:start] if lowered else fold(text[line:start])
    return any(_as_words(label, before) for label in labels)


def _as_words(label: str, text: str) -> bool:
    at = text.find(label)
    while at >= 0:
        end = at + len(label)
        if not (at and text[at - 1].isalnum()) and not (end < len(text) and text[end].isalnum()):
            return True
        at = text.find(label, at + 1)
    return False
