"""The arguments of one command, sorted into flags and positional words."""

from __future__ import annotations

from dataclasses import dataclass

from toolguard.analysis.shell_parse import Word

__all__ = ["Args"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Args:
    """``program`` is the base name without a path or ``.exe``; ``flags`` holds short flags one letter each as ``-r``."""

    program: str
    words: tuple[Word, ...]
    positional: tuple[Word, ...]
    flags: frozenset[str]
    long_values: dict[str, str]

    @classmethod
    def of(cls, words: list[Word]) -> Args:
        program = words[0].text.replace("\\", "/").rsplit("/", 1)[-1].lower().removesuffix(".exe").removesuffix(".sh")
        flags: set[str] = set()
        values: dict[str, str] = {}
        positional: list[Word] = []
        rest = words[1:]
        only_words = False
        for word in rest:
            text = word.text
            if only_words or not text.startswith("-") or text == "-":
                positional.append(word)
            elif text == "--":
                only_words = True
            elif text.startswith("--"):
                name, _, value = text.partition("=")
                flags.update((name, name.lower()))
                if value:
                    values[name.lower()] = value
            else:
                flags.add(text.partition("=")[0])
                flags.update("-" + letter for letter in text[1:] if letter.isalpha())
        return cls(
            program=program, words=tuple(rest), positional=tuple(positional), flags=frozenset(flags), long_values=values
        )

    def has(self, *names: str) -> bool:
        """Whether any of these flags is given."""
        return not self.flags.isdisjoint(names)

    def value_of(self, names: tuple[str, ...], *, joined: bool = False) -> Word | None:
        """The word after (or within) the first of these flags. ``joined``: ``-lc`` counts as ``-c``."""
        for i, word in enumerate(self.words):
            text = word.text
            name, eq, value = text.partition("=")
            if eq and name in names:
                return Word(text=value, dynamic=word.dynamic)
            hit = text in names or (
                joined
                and len(text) > 2
                and text[0] == "-"
                and text[1] != "-"
                and any(n[1:] in text[1:] for n in names if len(n) == 2)
            )
            if hit and i + 1 < len(self.words):
                return self.words[i + 1]
            if not hit:
                for n in names:
                    if len(n) == 2 and text.startswith(n) and len(text) > 2 and not joined:
                        return Word(text=text[2:], dynamic=word.dynamic)
        return None

    @property
    def subcommands(self) -> list[str]:
        """The positional words, lower case, up to eight."""
        return [w.text.lower() for w in self.positional[:8]]
