"""What a shell command does: every simple command in the text, seen through the programs that wrap it.

Programs known to look only are low; known changes are medium; what destroys, escalates, runs unread code or
sends files away is high; what hits the system or everything is critical. An unknown program runs code of
which nothing is known (medium). What cannot be parsed runs unread code (high).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from toolguard._core.risk import Evidence, Risk
from toolguard.analysis import shell_redirect
from toolguard.analysis.notes import (
    CODE,
    CRITICAL,
    DESTRUCTIVE,
    EXFILTRATION,
    HIGH,
    LOW,
    MEDIUM,
    READ,
    note,
    risk_of,
)
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_cli import ends_something
from toolguard.analysis.shell_parse import MAX_COMMANDS, Command, Word, parse_shell
from toolguard.analysis.shell_programs import INTERPRETERS, SHELLS, program_evidence
from toolguard.analysis.shell_wrappers import REMOTE, unwrap
from toolguard.analysis.words import bag, unmask

__all__ = ["MAX_SHELL", "classify_shell", "shell_evidence", "shell_facts", "warm"]

MAX_SHELL = 20_000
"""Characters. Longer texts are not parsed."""
MAX_DEPTH = 6
MAX_OPERATORS = 1_000
"""Pipes, lists, groups and lines in one text: the grammar's time grows with their square."""
_OPERATORS = "|;&\n({`<"
_SOURCE = "args.shell"
_HIJACKED = bag(
    "LD_PRELOAD LD_LIBRARY_PATH BASH_ENV ENV PROMPT_COMMAND GIT_SSH_COMMAND NODE_OPTIONS PYTHONSTARTUP PERL5OPT"
)
_SQL_START = re.compile(
    r"\s*(?:delete\s+from|drop\s+\w+|truncate\s+\w+|update\s+\S+\s+set|insert\s+into|alter\s+(?:table|role|user|database|system)|grant\s+\S+|revoke\s+\S+)\b",
    re.IGNORECASE,
)
_METHOD_CALL = re.compile(r"\s*[A-Za-z_][\w]*(?:(?:\.|::|->)[A-Za-z_]\w*[!?]?)+\s*\(.*\)\s*;?\s*", re.DOTALL)
_FORK_BOMB = re.compile(r"(?<![\w:.])([\w:.]{1,40})\s{0,8}\(\)\s{0,8}\{[^}]{0,200}?\1\s{0,8}\|\s{0,8}\1\s{0,8}&")
_IFS = re.compile(r"\$\{IFS[^}]{0,40}\}|\$IFS(?:\$\d)?")
_ODD_SPACES = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


@dataclass(slots=True, kw_only=True)
class Reading:
    """What was learned of one text. ``parsed`` is False if any of it could not be read."""

    evidence: dict[Evidence, None] = field(default_factory=dict)
    programs: dict[str, None] = field(default_factory=dict)
    parsed: bool = True
    commands: int = 0
    fetched: set[str] = field(default_factory=set)
    """Files that an earlier command of the text brought from elsewhere."""

    def say(self, item: Evidence) -> None:
        self.evidence[item] = None


def warm() -> None:
    """Import the parser now, not in the first call."""
    shell_evidence("true")
    try:
        from toolguard.analysis import sql

        sql.warm()  # a command may carry SQL
    except ImportError:
        return


def classify_shell(text: str) -> Risk:
    """The risk of running ``text`` in a shell."""
    return risk_of(shell_evidence(text))


def shell_evidence(text: str) -> tuple[Evidence, ...]:
    """Everything ``text`` does. Never empty."""
    return tuple(_read(text).evidence)


def shell_facts(text: str) -> dict[str, object]:
    """Facts for conditions: ``commands count dangerous writes network parsed level``.

    ``commands`` are the programs run, wrappers and nested ones included. Where the text cannot be parsed,
    ``parsed`` is False and ``dangerous`` and ``writes`` are True.
    """
    reading = _read(text)
    risk = risk_of(tuple(reading.evidence))
    return {
        "commands": sorted(reading.programs),
        "count": reading.commands,
        "dangerous": not reading.parsed or risk.level >= HIGH,
        "writes": not reading.parsed or risk.classes != {"read"},
        "network": not reading.parsed or bool(risk.classes & {"exfiltration", "communication"}),
        "parsed": reading.parsed,
        "level": risk.level.label,
    }


def _read(text: str) -> Reading:
    reading = Reading()
    try:
        _read_into(text, reading)
    except Exception:  # noqa: BLE001 - a command that upsets the reader is a command nobody has read
        reading.parsed = False
        reading.say(note(_SOURCE, CODE, HIGH, UNREADABLE))
    return reading


UNREADABLE = "the command upset the reader and was not understood"


def _read_into(text: str, reading: Reading) -> None:
    _script(text, reading, 0)
    folded = text if text.isascii() else _ODD_SPACES.sub(" ", unmask(text))
    if "$" in folded:
        folded = _IFS.sub(" ", folded)
    if folded != text:
        again = Reading()
        _script(folded, again, 0)
        for item in again.evidence:
            reading.say(item)
        reading.programs.update(again.programs)
    if not reading.evidence:
        empty = not reading.commands
        reading.say(note(_SOURCE, READ, LOW, "the command is empty" if empty else "the command only reads"))


def _script(text: str, reading: Reading, depth: int) -> None:
    """Read ``text`` as a script of its own (the command, or what a shell inside it is given)."""
    if len(text) > MAX_SHELL or depth > MAX_DEPTH or sum(map(text.count, _OPERATORS)) > MAX_OPERATORS:
        reading.parsed = False
        reading.say(note(_SOURCE, CODE, HIGH, "the command is too long or too deeply nested and was not read"))
        return
    if _SQL_START.match(text):
        from toolguard.analysis.sql import sql_evidence

        for item in sql_evidence(text):
            reading.say(item)
        return
    if _METHOD_CALL.fullmatch(text):
        _call(text, reading)
        return
    if _FORK_BOMB.search(text):
        reading.say(note(_SOURCE, DESTRUCTIVE, CRITICAL, "it multiplies itself until the machine stops"))
    try:
        script = parse_shell(text)
    except ImportError:
        reading.parsed = False
        reading.say(note(_SOURCE, CODE, HIGH, "the shell parser is not installed, so the command was not read"))
        return
    if not script.ok:
        reading.parsed = False
        reading.say(note(_SOURCE, CODE, HIGH, "the command is not valid shell and cannot be read for sure"))
    if reading.commands + len(script.commands) > MAX_COMMANDS:
        reading.parsed = False
        reading.say(note(_SOURCE, CODE, HIGH, f"it holds more than {MAX_COMMANDS} commands"))
        return
    for command in script.commands:
        reading.commands += 1
        _command(command, reading, depth, frozenset(script.functions))


def _call(text: str, reading: Reading) -> None:
    """A method call where a command was expected (a console, a scripting tool): judged by its verb."""
    from toolguard.analysis.tool import read_effects

    reading.commands += 1
    name = text.split("(", 1)[0].strip()
    reading.say(note(_SOURCE, CODE, MEDIUM, "it calls a method of a program"))
    for item in read_effects(re.split(r"\.|::|->", name)[-1], "", source=_SOURCE):
        if item.level >= MEDIUM and item.risk_class is not CODE:
            level = HIGH if item.risk_class is DESTRUCTIVE else item.level
            reading.say(note(_SOURCE, item.risk_class, level, item.text.replace("the name", "the method")))


def _command(command: Command, reading: Reading, depth: int, functions: frozenset[str]) -> None:
    for name, _value in command.assignments:
        if name in _HIJACKED:
            reading.say(note(_SOURCE, CODE, HIGH, f"it sets {name}, which changes what programs run"))
    for item in shell_redirect.evidence(command.redirects):
        reading.say(item)
    words = command.words
    if not words:
        return
    layers = unwrap(words)
    for item in layers.evidence:
        reading.say(item)
    for program in layers.programs:
        reading.programs[program] = None
    if command.piped_in and (command.stdin is None or command.stdin_dynamic) and not REMOTE.isdisjoint(layers.programs):
        reading.say(note(_SOURCE, EXFILTRATION, HIGH, "it sends what another command gives to another machine"))
    for text in layers.scripts:
        if (
            command.piped_in
            and text.rsplit(None, 1)[-1:]
            and text.split()[-1:][0] in SHELLS
            and not REMOTE.isdisjoint(layers.programs)
        ):
            reading.say(note(_SOURCE, CODE, HIGH, "another machine runs what it is given"))
        _script(text, reading, depth + 1)
    for inner in layers.commands:
        _program(inner, command, reading, depth, functions)


def _program(words: list[Word], command: Command, reading: Reading, depth: int, functions: frozenset[str]) -> None:
    if not words:
        return
    if words[0].dynamic:
        reading.say(note(_SOURCE, CODE, HIGH, "the program to run is only known when it runs"))
        return
    args = Args.of(words)
    reading.programs[args.program] = None
    if args.program in SHELLS or args.program in INTERPRETERS:
        _interpreter(args, command, reading, depth)
        return
    if words[0].text in functions:
        return  # its body was read where it is defined
    if [w.text for w in args.words] in (["--help"], ["--version"]):
        reading.say(note(_SOURCE, READ, LOW, "it asks a program for help or version"))
        return
    if words[0].text in reading.fetched:
        reading.say(note(_SOURCE, CODE, HIGH, "it runs what it fetched a moment ago"))
    if args.program in ("curl", "wget"):
        target = args.value_of(("-o", "-O", "--output", "--output-document"))
        reading.fetched.update(() if target is None else (target.text, f"./{target.text}"))
    for item in program_evidence(args, command):
        reading.say(item)


def _interpreter(args: Args, command: Command, reading: Reading, depth: int) -> None:
    """``sh``, ``python`` and the like: what they are given is what runs."""
    shell = args.program in SHELLS
    code = args.value_of(INTERPRETERS.get(args.program, ("-c",))) if not shell else args.value_of(("-c",), joined=True)
    if code is not None:
        if shell and not code.dynamic:
            _script(code.text, reading, depth + 1)
        elif shell:
            reading.say(note(_SOURCE, CODE, HIGH, "a shell runs text that is only known when it runs"))
            _script(code.text, reading, depth + 1)
        else:
            from toolguard.analysis.code import code_evidence

            for item in code_evidence(code.text, args.program):
                reading.say(item)
        return
    if args.has("--version", "--help", "-V"):
        reading.say(note(_SOURCE, READ, LOW, "it asks a program for its version"))
        return
    module = args.value_of(("-m",)) if args.program.startswith("py") else None
    if module is not None:
        _module(module, args, command, reading)
        return
    given = command.stdin if command.stdin is not None else None
    files = [w for w in args.positional if w.text != "-"]
    if files and files[0].text in reading.fetched:
        reading.say(note(_SOURCE, CODE, HIGH, "it runs what it fetched a moment ago"))
    if files and not (shell and args.has("-s")):
        if files[0].dynamic or files[0].text.startswith(("<(", "/dev/tcp", "http:", "https:", "/dev/stdin", "/dev/fd")):
            reading.say(note(_SOURCE, CODE, HIGH, "it runs a script that is only known when it runs"))
        else:
            tasks = files[:4] if args.program in ("rails", "gitlab-rails") else files[1:4]
            ends = ends_something([w.text for w in tasks])
            reading.say(note(_SOURCE, DESTRUCTIVE if ends else CODE, HIGH if ends else MEDIUM, "it runs a script file"))
        return
    if given is not None:
        if shell:
            _script(given, reading, depth + 1)
            if command.stdin_dynamic:
                reading.say(note(_SOURCE, CODE, HIGH, "a shell runs text that is only known when it runs"))
        else:
            from toolguard.analysis.code import code_evidence

            for item in code_evidence(given, args.program):
                reading.say(item)
        return
    if command.piped_in or any(r.op.startswith("<") for r in command.redirects):
        reading.say(
            note(_SOURCE, CODE, CRITICAL if _fetched(command) else HIGH, "it runs whatever comes out of a pipe")
        )
        for text in _decoded(command):
            _script(text, reading, depth + 1)
        return
    reading.say(note(_SOURCE, CODE, MEDIUM, "it starts an interpreter"))


_SERVES = bag("http.server SimpleHTTPServer pyftpdlib smtpd")


def _module(module: Word, args: Args, command: Command, reading: Reading) -> None:
    """``python -m module``: many modules are programs of their own."""
    at = next((i for i, w in enumerate(args.words) if w is module), 0)
    if module.text in _SERVES:
        reading.say(note(_SOURCE, EXFILTRATION, HIGH, "it serves files to whoever asks"))
    elif module.text in ("pip", "uv", "poetry", "pipx"):
        for item in program_evidence(Args.of([module, *args.words[at + 1 :]]), command):
            reading.say(item)
    else:
        tasks = [w.text for w in args.words[at + 1 : at + 4]]
        ends = ends_something(tasks)
        reading.say(note(_SOURCE, DESTRUCTIVE if ends else CODE, HIGH if ends else MEDIUM, "it runs a module"))


def _fetched(command: Command) -> bool:
    return any(
        word.text.rsplit("/", 1)[-1] in ("curl", "wget", "fetch", "nc", "ncat")
        for words in command.upstream
        for word in words[:6]  # it may stand behind env, sudo, timeout …
    )


def _decoded(command: Command) -> list[str]:
    """The text that ``echo … | base64 -d | sh`` hides."""
    found = []
    for words in command.upstream:
        if words and words[0].text in ("echo", "printf") and len(words) > 1 and not words[-1].dynamic:
            try:
                found.append(base64.b64decode(words[-1].text, validate=True).decode("utf-8"))
            except (binascii.Error, ValueError):
                continue
    return found
