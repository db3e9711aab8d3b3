"""A shell text as the simple commands in it, wherever they stand: pipes, lists, substitutions, here-documents.

Words are unquoted the way the shell would; what only the running shell can know (``$x``, ``$(…)``) stays in
the word and marks it ``dynamic``. Constant assignments earlier in the text are filled in.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Any

__all__ = ["Command", "Redirect", "Script", "Word", "parse_shell"]

MAX_NODES = 4_000
MAX_COMMANDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One argument. ``dynamic``: it holds an expansion; ``quoted``: it was quoted, so no glob is expanded."""

    text: str
    dynamic: bool = False
    quoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """``op`` is ``>``, ``>>``, ``<``, …; ``target`` a file name or descriptor."""

    op: str
    target: Word


@dataclass(slots=True, kw_only=True)
class Command:
    """One simple command. ``feeds``: programs later in its pipe; ``stdin``: literal text it is given, if any."""

    words: list[Word]
    assignments: list[tuple[str, Word]] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    piped_in: bool = False
    upstream: list[list[Word]] = field(default_factory=list)
    stdin: str | None = None
    stdin_dynamic: bool = False


@dataclass(slots=True, kw_only=True)
class Script:
    """Every command of a text. ``ok``: the whole text is valid shell; ``functions``: names it defines."""

    commands: list[Command]
    ok: bool = True
    functions: list[str] = field(default_factory=list)
    background: bool = False


@cache
def _language() -> Any:
    import tree_sitter  # here, not above: only tools that take commands need it
    import tree_sitter_bash

    return tree_sitter.Language(tree_sitter_bash.language())


_here = threading.local()  # a parser keeps state while it reads: one for each thread


def _parser() -> Any:
    language = _language()
    parser = getattr(_here, "parser", None)
    if parser is None:
        import tree_sitter

        parser = _here.parser = tree_sitter.Parser(language)
    return parser


_NOT_ASCII = re.compile(r"[^\x01-\x7f]")


def _ascii(text: str) -> bytes:
    """``text`` with a plain letter for everything beyond ASCII, so that bytes and characters have the same offsets.

    The grammar's scanner is C code that looks characters up in tables made for ASCII: an emoji can crash the
    process. To a shell such characters are plain letters of a word anyway.
    """
    return _NOT_ASCII.sub("x", text).encode("ascii")


def parse_shell(text: str) -> Script:
    """The commands of ``text``. Raises ImportError if the parser is missing."""
    tree = _parser().parse(_ascii(text))
    script = Script(commands=[], ok=not tree.root_node.has_error and "\x00" not in text)
    _Walk(text, script).node(tree.root_node)
    return script


class _Walk:
    def __init__(self, source: str, script: Script) -> None:
        self.source = source
        self.script = script
        self.constants: dict[str, str] = {}
        self.left = MAX_NODES

    def text(self, node: Any) -> str:
        return self.source[node.start_byte : node.end_byte]

    def node(self, node: Any, pipe: list[Command] | None = None) -> None:
        self.left -= 1
        if self.left < 0 or len(self.script.commands) > MAX_COMMANDS:
            self.script.ok = False
            return
        kind = node.type
        if kind == "command":
            self.command(node, pipe)
        elif kind == "pipeline":
            self.pipeline(node)
        elif kind == "redirected_statement":
            self.redirected(node, pipe)
        elif kind == "variable_assignment":
            self.assignment(node)
        elif kind == "declaration_command":
            self.declaration(node)
        elif kind == "function_definition":
            name = node.child_by_field_name("name")
            if name is not None:
                self.script.functions.append(self.text(name))
            self.children(node)
        elif kind == "ERROR":
            self.script.ok = False
            self.children(node)
        else:
            self.children(node)

    def children(self, node: Any) -> None:
        for child in node.named_children:
            self.node(child)

    def command(self, node: Any, pipe: list[Command] | None) -> Command:
        made = Command(words=[])
        for child in node.children:
            kind = child.type
            if kind == "variable_assignment":
                name, value = self.pair(child)
                made.assignments.append((name, value))
            elif kind == "command_name":
                made.words.append(self.word(child.named_children[0] if child.named_children else child))
            elif kind == "herestring_redirect":
                inner = self.word(child.named_children[0]) if child.named_children else Word(text="")
                made.stdin, made.stdin_dynamic = inner.text, inner.dynamic
            elif kind == "file_redirect":
                self.redirect(child, [made])
            elif child.is_named or kind in ("==", "=~"):
                made.words.append(self.word(child))
        self.script.commands.append(made)
        if pipe is not None:
            pipe.append(made)
        return made

    def pipeline(self, node: Any, first: list[Command] | None = None) -> list[Command]:
        """Link the commands of a pipe; ``first`` are commands already made that feed it."""
        before: list[Command] = list(first or [])
        everything = list(before)
        for child in node.named_children:
            start = len(self.script.commands)
            self.node(child)
            new = self.script.commands[start:]
            for command in new:
                if before:
                    command.piped_in = True
                    command.upstream = [c.words for c in everything[-20:]]
                    if command.stdin is None and len(before) == 1:
                        command.stdin, command.stdin_dynamic = _printed(before[0])
            before = new
            everything += new
        return everything

    def redirected(self, node: Any, pipe: list[Command] | None) -> None:
        start = len(self.script.commands)
        body = node.child_by_field_name("body")
        if body is not None:
            self.node(body, pipe)
        made = self.script.commands[start:]
        if not made:
            made = [Command(words=[])]
            self.script.commands += made
        for child in node.children:
            if body is not None and child.id == body.id:
                continue
            if child.type == "file_redirect":
                self.redirect(child, made)
            elif child.type == "heredoc_redirect":
                self.heredoc(child, made)
            elif child.type == "herestring_redirect" and child.named_children:
                inner = self.word(child.named_children[0])
                for command in made:
                    command.stdin, command.stdin_dynamic = inner.text, inner.dynamic

    def redirect(self, node: Any, commands: list[Command]) -> None:
        op = "".join(c.type for c in node.children if not c.is_named)
        target = node.child_by_field_name("destination")
        word = self.word(target) if target is not None else Word(text="")
        for command in commands[-1:]:
            command.redirects.append(Redirect(op=op or ">", target=word))

    def heredoc(self, node: Any, commands: list[Command]) -> None:
        body = ""
        dynamic = False
        for child in node.named_children:
            if child.type == "heredoc_body":
                body = self.text(child)
                dynamic = bool(child.named_children) and any(c.type != "heredoc_content" for c in child.named_children)
                self.children(child)
        for command in commands[-1:]:
            command.stdin, command.stdin_dynamic = body, dynamic
        for child in node.named_children:
            if child.type == "pipeline":
                self.pipeline(child, first=commands[-1:])
            elif child.type == "file_redirect":
                self.redirect(child, commands)
            elif child.type in ("command", "list", "redirected_statement", "subshell", "compound_statement"):
                self.node(child)

    def assignment(self, node: Any) -> None:
        name, value = self.pair(node)
        if value.dynamic:
            self.constants.pop(name, None)
        else:
            self.constants[name] = value.text
        if name in _HIJACKED:
            self.script.commands.append(Command(words=[], assignments=[(name, value)]))

    def declaration(self, node: Any) -> None:
        for child in node.named_children:
            if child.type == "variable_assignment":
                self.assignment(child)
            else:
                self.node(child)

    def pair(self, node: Any) -> tuple[str, Word]:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        return (self.text(name) if name is not None else ""), (self.word(value) if value is not None else Word(text=""))

    def word(self, node: Any) -> Word:
        kind = node.type
        raw = self.text(node)
        if kind == "word":
            return Word(text=_unescape(raw))
        if kind == "number":
            return Word(text=raw)
        if kind == "raw_string":
            return Word(text=raw[1:-1], quoted=True)
        if kind == "ansi_c_string":
            return Word(text=_ansi(raw[2:-1]), quoted=True)
        if kind in ("string", "translated_string"):
            return self.join(node, quoted=True)
        if kind == "concatenation":
            return self.join(node, quoted=False)
        if kind in ("simple_expansion", "expansion"):
            return self.expansion(node, raw)
        if kind in ("command_substitution", "process_substitution"):
            self.children(node)
            return Word(text=raw, dynamic=True)
        if kind == "brace_expression":
            return Word(text=raw, dynamic=True)
        self.children(node)
        return Word(text=raw, dynamic="$" in raw or "`" in raw)

    def join(self, node: Any, *, quoted: bool) -> Word:
        parts: list[str] = []
        dynamic = False
        at = node.start_byte + (1 if quoted else 0)
        end = node.end_byte - (1 if quoted else 0)
        for child in node.children:
            if child.start_byte < at or not child.is_named:
                continue
            parts.append(self.source[at : child.start_byte])
            if child.type == "string_content":
                parts.append(re.sub(r"\\([$`\"\\\n])", lambda m: "" if m[1] == "\n" else m[1], self.text(child)))
            else:
                inner = self.word(child)
                dynamic = dynamic or inner.dynamic
                parts.append(inner.text)
            at = child.end_byte
        parts.append(self.source[at:end])
        return Word(text="".join(parts), dynamic=dynamic, quoted=quoted)

    def expansion(self, node: Any, raw: str) -> Word:
        names = [self.text(c) for c in node.named_children if c.type == "variable_name"]
        for child in node.named_children:
            if child.type not in ("variable_name", "word", "special_variable_name"):
                self.node(child)
        plain = raw in (f"${names[0]}", f"${{{names[0]}}}") if names else False
        if plain and names[0] in self.constants:
            return Word(text=self.constants[names[0]])
        return Word(text=raw, dynamic=True)


_HIJACKED = frozenset(
    (
        "LD_PRELOAD",
        "LD_LIBRARY_PATH",
        "PATH",
        "BASH_ENV",
        "ENV",
        "PROMPT_COMMAND",
        "IFS",
        "PYTHONPATH",
        "NODE_OPTIONS",
        "GIT_SSH_COMMAND",
    )
)
_ESCAPE = re.compile(r"\\(\n|.)", re.DOTALL)
_ANSI = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|[0-7]{1,3}|.)", re.DOTALL)
_ANSI_NAMES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda m: "" if m[1] == "\n" else m[1], text) if "\\" in text else text


def _ansi(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in "xu" and len(code) > 1:
            return chr(int(code[1:], 16))
        if code[0] in "01234567":
            return chr(int(code, 8) & 0xFF)
        return _ANSI_NAMES.get(code, code)

    return _ANSI.sub(one, text)


def _printed(command: Command) -> tuple[str | None, bool]:
    """What ``echo`` or ``printf`` will put into the next command, if that is all it does."""
    if not command.words or command.redirects:
        return None, False
    if command.words[0].text in ("echo", "printf"):
        rest = [w for w in command.words[1:] if not re.fullmatch(r"-[neE]+", w.text)]
        return " ".join(w.text for w in rest), any(w.dynamic for w in rest)
    if command.words[0].text == "cat" and len(command.words) == 1 and command.stdin is not None:
        return command.stdin, command.stdin_dynamic
    return None, False
