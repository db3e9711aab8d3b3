"""YAML with positions: what pydantic finds wrong is reported with the line it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from toolguard.errors import ConfigError

__all__ = ["Document", "read_yaml"]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is there: eight times as fast, and just as safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file: its data, and where each part of it stands."""

    data: Any
    root: yaml.Node | None

    def line(self, location: Sequence[str | int]) -> int:
        """The line (from 1) of the deepest part of ``location`` that exists."""
        node, line = self.root, 1
        for step in location:
            if node is None:
                break
            line = node.start_mark.line + 1
            node = _child(node, step)
        return line if node is None else node.start_mark.line + 1


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item if isinstance(item, yaml.Node) else None
    return None


def read_yaml(text: str, *, where: str) -> Document:
    """Parse ``text`` with the safe loader; a key that stands twice is an error, not a silent choice."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is not None:
            _no_duplicates(root, where)
        return Document(data=None if root is None else loader.construct_document(root), root=root)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{where}, line {line}: not valid YAML; correct the file") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{where} is not valid YAML ({type(error).__name__}); correct the file") from None


def _no_duplicates(root: yaml.Node, where: str) -> None:
    waiting, seen_nodes = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        children: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in keys:
                        line = key.start_mark.line + 1
                        raise ConfigError(f"{where}, line {line}: {key.value!r} stands twice; keep one")
                    keys.add(key.value)
                children.append(value)
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        for child in children:
            if id(child) not in seen_nodes:
                seen_nodes.add(id(child))
                waiting.append(child)
