"""``toolguard completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer import completion

__all__ = ["app"]


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def app(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """Print completion for a shell. Put it where the shell looks, or source it.

    \b
      bash   source <(toolguard completion bash)      in ~/.bashrc
      zsh    source <(toolguard completion zsh)       in ~/.zshrc, after compinit
      fish   toolguard completion fish | source       in ~/.config/fish/config.fish
    """
    script = completion.get_completion_script(  # type: ignore[attr-defined] # the library has it under no public name
        prog_name="toolguard", complete_var="_TOOLGUARD_COMPLETE", shell=shell.value
    )
    typer.echo(script)
