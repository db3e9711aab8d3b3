"""Tools that stand for a program: ``kubectl(args)``, ``run_git(command)``, ``docker_exec(args)``.

What such a tool is given is the rest of a command line. It is read with the program's name in front, as the
shell would read it, whether or not the caller wrote the name again.
"""

from __future__ import annotations

import re
from functools import lru_cache

from toolguard.analysis.language import read_name
from toolguard.analysis.lexicon import VERBS
from toolguard.analysis.shell_cli import CLOUD_CLIS
from toolguard.analysis.shell_programs import INTERPRETERS, KNOWN, SHELLS
from toolguard.analysis.shell_wrappers import WRAPPERS
from toolguard.analysis.words import bag, split_words

__all__ = ["ARGUMENTS", "command_lines", "program_of"]

ARGUMENTS = bag("args argv arguments argument subcommand subcommands cmd cmdline command commandline flags options")
"""Names of arguments that hold the rest of a command line, where the tool's name is the program."""
# Programs whose names are words of their own: a tool called "make_payment" does not run make.
_WORDS = bag(
    "code just task go net links script pass security at port scoop r gem snap stack hub ant links fab pw sc sv ed hive ar"
)
_ABOUT = bag("run exec execute call invoke use cli command commands cmd tool")


@lru_cache(maxsize=2048)
def program_of(name: str) -> tuple[str, ...]:
    """The words of a command line that a tool's name stands for (``git_push`` → ``git push``); empty if none."""
    words = [w for w in read_name(name).words if w not in _ABOUT]
    if not words or words[0] not in _PROGRAMS or len(words) > 3:
        return ()
    rest = [w for w in split_words(name) if w not in ("cli", "command", "commands", "cmd", "tool")]
    start = rest.index(words[0])
    return tuple(rest[start:])


def command_lines(program: tuple[str, ...], text: str) -> tuple[str, ...]:
    """The command lines that ``text`` may be the rest of. All of them count."""
    first = _PARTED.split(text.strip(), maxsplit=1)[0]
    given = first.rsplit("/", 1)[-1].lower()
    if given == program[0] or (program[0] in SHELLS and not text.lstrip().startswith("-")):
        return (text,)
    line = " ".join((*program, text))
    if "/" in first:  # a sub-command in the clothes of a path
        return (line, text, " ".join((*program, text.strip().replace(first, given, 1))))
    return (line, text) if given in _EVERY or given in WRAPPERS or not _BARE.fullmatch(first) else (line,)


_PARTED = re.compile(r"\s+|\$\{?IFS\}?")
_BARE = re.compile(r"[A-Za-z0-9][\w.:-]*|-.*|")
"""A word that can be nothing but a sub-command or an option: no path, no variable, no quotes."""
_EVERY = KNOWN | SHELLS | INTERPRETERS.keys() | CLOUD_CLIS
_PROGRAMS = _EVERY - VERBS - _WORDS
