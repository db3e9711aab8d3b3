"""``toolguard completion``: what a shell needs to complete commands and options, and the answer it gets then.

A shell's script hands over the words so far, one a line, in ``_TOOLGUARD_WORDS``; `answer` gives what may come next, one a
line, with what it is for where the shell can show that. Without an answer the shell completes files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["ASKED", "answer", "app", "index_of", "words_of"]

ASKED, WORDS = "_TOOLGUARD_COMPLETE", "_TOOLGUARD_WORDS"
"""Set by a shell that completes: which shell it is, and the words up to the cursor, the last one unfinished."""


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


_SCRIPTS = {
    Shell.BASH: """\
_toolguard() {
  local IFS=$'\\n'
  COMPREPLY=( $(_TOOLGUARD_COMPLETE=bash _TOOLGUARD_WORDS="${COMP_WORDS[*]:0:COMP_CWORD+1}" "$1" 2>/dev/null) )
}
complete -o default -F _toolguard toolguard
""",
    Shell.ZSH: """\
#compdef toolguard
_toolguard() {
  local -a found
  found=("${(@f)$(_TOOLGUARD_COMPLETE=zsh _TOOLGUARD_WORDS="${(F)${(@Q)words[1,CURRENT]}}" ${~words[1]} 2>/dev/null)}")
  compset -P '--*='
  if [[ -n $found ]]; then _describe -V 'toolguard' found; else _files; fi
}
if [[ $funcstack[1] = _toolguard ]]; then _toolguard "$@"; else compdef _toolguard toolguard; fi
""",
    Shell.FISH: """\
function __toolguard_complete
  set -l -- words (commandline -opc) (commandline -ct)
  set -lx _TOOLGUARD_COMPLETE fish
  set -lx _TOOLGUARD_WORDS (begin; printf %s $words[1]; printf '\\n%s' $words[2..-1]; end | string collect -N)
  set -l found (eval (string escape -- $words[1]) 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    set -l option (string match -r -- '^--[^=]*=' $words[-1])
    string replace -r -- '^' "$option" (__fish_complete_path (string replace -- "$option" '' $words[-1]))
  end
end
complete --command toolguard --no-files --arguments '(__toolguard_complete)'
""",
}


def app(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """Print completion for a shell. Put it where the shell looks, or source it.

    \b
      bash   source <(toolguard completion bash)      in ~/.bashrc
      zsh    source <(toolguard completion zsh)       in ~/.zshrc, after compinit
      fish   toolguard completion fish | source       in ~/.config/fish/config.fish
    """
    typer.echo(_SCRIPTS[shell], nl=False)


def words_of(environ: Mapping[str, str]) -> list[str]:
    """The words after the program's name, the unfinished one last. Bash makes three of ``--option=value``: here it is two."""
    words = environ.get(WORDS, "").split("\n")[1:] or [""]
    joins = [w == "=" and before.startswith("--") for before, w in pairwise(["", *words])]
    kept = [w for w, joint in zip(words[:-1], joins, strict=False) if not joint]
    return [*kept, "" if joins[-1] else words[-1]]


def answer(environ: Mapping[str, str]) -> Iterator[str]:
    """What may come next, a line each as the shell that asks reads it."""
    shell, (*before, last) = environ[ASKED], words_of(environ)
    option, equals, begun = last.partition("=") if last.startswith("--") else ("", "", last)
    for value, told in _next([*before, option] if equals else before, begun if equals else last):
        if shell == Shell.ZSH:
            plain = value.replace("\\", r"\\").replace(":", r"\:")
            yield f"{plain}:{told}" if told else plain
        elif shell == Shell.FISH:
            yield f"{option}={value}\t{told}" if equals else f"{value}\t{told}"
        else:
            yield value


def _next(before: Sequence[str], begun: str) -> Iterator[tuple[str, str]]:
    """Each word that begins like ``begun`` and fits after ``before``, and what it is for."""
    index: dict[str, Any] = json.loads(resources.files("toolguard.cli").joinpath("words.json").read_text("utf-8"))
    path, wanted, given = "", None, set[str]()
    for word in before:
        here = index[path]
        if wanted is not None:
            wanted = None
        elif word in here["options"]:
            given.add(word)
            wanted = here["options"][word].get("takes")
        elif word in here["commands"]:
            path, given = f"{path} {word}".strip(), set()
    here = index[path]
    if wanted is not None:
        found = dict.fromkeys(wanted, "")
    elif begun.startswith("-"):
        found = {name: o["help"] for name, o in here["options"].items() if name not in given or o.get("again")}
    else:
        found = {name: index[f"{path} {name}".strip()]["help"] for name in here["commands"]} | dict.fromkeys(
            here["words"], ""
        )
    return ((name, told) for name, told in found.items() if name.startswith(begun))


def index_of(command: Any) -> str:
    """All of ``command`` (the library's) as ``words.json`` holds it, so that nothing else is loaded when a shell asks.

    By the name of a command or group: ``help``, ``commands``, ``words`` (an argument that is one of these) and ``options``, each with its
    ``help``, what it ``takes`` (none: a switch; an empty list: anything) and whether it may be given ``again``.
    """
    lines = [f"{json.dumps(path)}: {json.dumps(entry, ensure_ascii=False)}" for path, entry in _entries(command, "")]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _entries(command: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    from toolguard.cli._group import first_sentence

    context = command.context_class(command, info_name=path)
    options: dict[str, dict[str, Any]] = {}
    words: list[str] = []
    for param in command.params:
        values = [item.value for item in param.shell_complete(context, "")]
        if param.param_type_name == "argument":
            words += values
        elif not param.hidden:
            entry = {"help": " ".join((param.help or "").split())}
            more = ({} if param.is_flag else {"takes": values}) | ({"again": True} if param.multiple else {})
            options |= {name: entry | more for name in (*param.opts, *param.secondary_opts) if name.startswith("--")}
    options["--help"] = {"help": "Show this page."}
    inner = getattr(command, "commands", {})
    yield path, {"help": first_sentence(command), "commands": sorted(inner), "words": words, "options": options}
    for name, each in sorted(inner.items()):
        yield from _entries(each, f"{path} {name}".strip())


if __name__ == "__main__":  # writes words.json anew; a test says when
    from toolguard.cli.main import whole

    Path(__file__).with_name("words.json").write_text(index_of(whole()), "utf-8")
