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


class _Dumper(yaml.SafeDumper):
    """Quotes texts that `_Loader` would take for something else."""


# What is no text, by YAML 1.2 (its core schema, decimal numbers). PyYAML's own are YAML 1.1's, to which 4e-4 is a text,
# while no, 1:30 and 2024-01-01 are something else than they look.
_Loader.yaml_implicit_resolvers, _Dumper.yaml_implicit_resolvers = {}, {}
for tag, pattern, first in (
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
        ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
         list("-+.0123456789"))):
    for kind in (_Loader, _Dumper):
        kind.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), first)


def write_yaml(values: dict[str, Any]) -> str:
    """Names with texts, numbers, lists and the like, as `parse_yaml` reads them."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: bytes | str) -> Any:
    """What a short YAML text (UTF-8) says. Raises ValueError, a part of a sentence."""
    try:
        return yaml.load(text.decode() if isinstance(text, bytes) else text, _Loader)
    except Exception as error:  # besides its own PyYAML raises nearly every kind, and RecursionError
        raise ValueError(f"no YAML as recipes are written in it ({one_line(error)})") from error
