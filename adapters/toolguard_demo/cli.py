"""``toolguard demo``."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from openai import OpenAI
from rich.console import Console

from toolguard import Guard
from toolguard.cli.trace import render_trace
from toolguard.confirm import ServiceLook
from toolguard.journal import verify
from toolguard.practice import ServiceProcess
from toolguard.testing.openai_server import OpenAIServer
from toolguard_demo import script
from toolguard_demo.agents import LangChainAgent, OpenAIAgent
from toolguard_demo.hospital import Hospital
from toolguard_demo.place import prepare
from toolguard_demo.show import Promises, Screen
from toolguard_demo.story import Story

__all__ = ["demo"]


def demo(
    auto: Annotated[
        bool,
        typer.Option("--auto", help="A second identity decides, through the real service. Without a terminal: always."),
    ] = False,
    base_url: Annotated[
        str | None, typer.Option(help="An OpenAI-compatible endpoint to use in place of the scripted model.")
    ] = None,
    model: Annotated[str, typer.Option(help="The model's name there.")] = "scripted",
    seed: Annotated[int, typer.Option(help="Which synthetic patients.")] = 7,
    keep: Annotated[
        Path | None, typer.Option(help="Keep the installation (keys, store, policy) in this new folder.")
    ] = None,
) -> None:
    """A hospital agent, guarded, end to end, on this machine alone: no key, no network, nothing to start by hand.

    Exit code 0 only if every promise held.
    """
    started = time.monotonic()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    promises = Promises()
    with _folder(keep) as folder, _model(base_url) as (url, server):
        place = prepare(folder)
        service = ServiceProcess(place.config, port=0)
        try:
            look = ServiceLook(service.url)  # it took a free port, not the configuration's
            with (
                Guard.from_config(place.config, on_wait=look) as chained,
                Guard.from_config(place.config, on_wait=look) as direct,
            ):
                story = Story(
                    screen=Screen(console, promises),
                    hospital=Hospital(seed),
                    place=place,
                    url=service.url,
                    auto=auto or not sys.stdin.isatty(),
                    scripted=server is not None,
                    model_saw=(lambda: server.seen) if server else (lambda: ""),
                )
                client = OpenAI(base_url=url, api_key="none" if server else None, max_retries=0)
                _play(story, chained, direct, client, model)
                _evidence(story, chained)
        finally:
            service.stop()
    story.screen.summary(time.monotonic() - started)
    raise typer.Exit(0 if promises.all_held else 1)


def _play(story: Story, one: Guard, other: Guard, client: OpenAI, model: str) -> None:
    screen = story.screen
    screen.title(
        "toolguard demo",
        "A ward assistant works for Dr Ana Ruiz. Its tools belong to a hospital with 60 synthetic patients.\n"
        "Red is an identifier in clear. Green is the token that stands for it.",
    )
    screen.title("Through LangChain", "create_agent, guard_tools, GuardMiddleware; a waiting call waits in place")
    with one.session(caller=story.caller(), run="demo-langchain", suspend="block", wait=600.0) as session:
        chained = LangChainAgent(one, story.hospital, client, model)
        screen.scene(1, "a look-up: allowed, and masked")
        story.look_up(chained, session)
        screen.scene(2, "a referral to an outside address: sent, without identifiers")
        story.refer(chained)
        screen.scene(3, "a bulk export: waits for a second person")
        story.export_in_place(chained)
        screen.scene(4, "a delete: denied")
        story.delete(chained)
    screen.title("Through the OpenAI client", "guard_client, ToolBox; a waiting run is put down as JSON and resumed")
    with other.session(caller=story.caller(), run="demo-openai", suspend="raise") as session:
        direct = OpenAIAgent(other, story.hospital, client, model)
        screen.scene(5, "the same look-up")
        story.look_up(direct, session)
        screen.scene(6, "the same referral")
        story.refer(direct)
        screen.scene(7, "the same export: suspended, approved, resumed; then replayed, then tampered with")
        story.export_and_resume(direct)
        screen.scene(8, "the same delete")
        story.delete(direct)


def _evidence(story: Story, guard: Guard) -> None:
    screen, store = story.screen, guard.parts.store
    screen.title("On the record", "every call, from the hash-chained journal; spans are built from the same records")
    records = list(store.records())
    screen.console.print(render_trace(r for r in records if r.draft.call))
    report = verify(store)
    screen.promise(f"the journal verifies: {report.records} records in {len(store.logs())} logs", report.ok)
    clear = [kind for kind, value in story.hospital.identifiers().items() if value in repr(records)]
    screen.promise("no identifier stands in the journal", not clear)
    files = b"".join(p.read_bytes() for p in story.place.folder.glob("toolguard.db*"))
    held = not any(value.encode() in files for value in story.hospital.identifiers().values())
    screen.promise("no identifier stands in the database in clear", held)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(mode=0o700, parents=True, exist_ok=False)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="toolguard-demo-") as folder:
        yield Path(folder)


@contextmanager
def _model(base_url: str | None) -> Iterator[tuple[str, OpenAIServer | None]]:
    if base_url is not None:
        yield base_url, None
        return
    with OpenAIServer(script.model) as server:
        yield server.base_url, server
