"""YAML as recipes are written in it: names with texts, numbers and lists, and nothing that could grow or act."""
from __future__ import annotations

import re
from typing import Any

import yaml

from handpose.network.checkpoint import one_line

DEEPEST = 8  # lists and names within each other; a recipe's are 5


class _Loader(yaml.SafeLoader):
    """Refuses aliases, which let a short text stand for a very long one, deep nesting, and names that stand twice."""
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases (*{self.peek_event().anchor}) are not read")
        if self.depth == DEEPEST:
            raise yaml.YAMLError(f"more than {DEEPEST} levels are not read")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        names = [str(key.value) for key, _ in node.value]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]} stands there twice")
        return super().construct_mapping(node, deep)


# PyYAML takes 4e-4 for a text, as YAML 1.1 does; YAML 1.2 does not.
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
                              list("-+0123456789"))


def parse_yaml(text: bytes | str) -> Any:
    """What a short YAML text (UTF-8) says. Raises ValueError, a part of a sentence."""
    try:
        return yaml.load(text.decode() if isinstance(text, bytes) else text, _Loader)
    except Exception as error:  # besides its own PyYAML raises nearly every kind, and RecursionError
        raise ValueError(f"no YAML as recipes are written in it ({one_line(error)})") from error
