"""The YAML file of `--config`: option names and values, and nothing that surprises."""

import argparse
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from processing.errors import UsageError, shortened

LARGEST = 2**16  # bytes of a file
DEEPEST = 16  # mappings and lists in one another


class _Loader(yaml.SafeLoader):
    """Reads mappings, lists and values as they stand there.

    Refuses aliases, which can stand for billions of values, tags, merges, and a key
    twice, of which one would count without a word.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        wrong = ""
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            wrong = "an alias or an anchor"
        elif event.tag:
            wrong = f"the tag {shortened(event.tag)}"
        elif self.depth > DEEPEST:
            wrong = f"more than {DEEPEST} brackets or lists in one another"
        if wrong:
            raise _error(f"expected values alone. Received: {wrong}", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                raise _error("expected names of options as keys", key)
            if key.value in keys:
                raise _error(f"{shortened(key.value)!r} stands there twice", key)
            keys.add(key.value)
        return super().construct_mapping(node, deep)


def _error(problem: str, where: Any) -> yaml.MarkedYAMLError:
    """Return an error with the line of a node or an event."""
    mark = where.start_mark
    return yaml.MarkedYAMLError(problem=f"line {mark.line + 1}: {problem}")


def read_config(path: Path) -> Mapping[Any, Any]:
    """Return what is in a YAML file; a `UsageError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"it is longer than {LARGEST} bytes")
        content = yaml.load(data.decode("utf-8-sig"), _Loader)
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"cannot read the config file {path}: {reason}") from error
    if content is not None and not isinstance(content, dict):
        raise UsageError(f"{path}: expected lines of `option: value`")
    return content or {}


def as_arguments(
    content: Mapping[Any, Any], options: argparse.ArgumentParser, where: str
) -> list[str]:
    """Return long option names and values as arguments; `where` is for errors."""
    actions = options._option_string_actions
    result = []
    for key, value in content.items():
        name = f"--{str(key).replace('_', '-')}"
        if name not in actions or name in ("--config", "--help"):
            known = [option[2:] for option in actions if option.startswith("--")]
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"{where}: unknown option {shortened(repr(key))}{hint}")
        switch = actions[name].nargs == 0
        right = (bool, type(None)) if switch else (object,)
        if isinstance(value, list | dict) or not isinstance(value, right):
            expected = "true or false" if switch else "one value"
            received = shortened(str(value))
            raise UsageError(
                f"{where}: {key}: expected {expected}. Received: {received}"
            )
        if switch:
            result += [name] if value else []
        elif value is not None:
            result.append(f"{name}={value}")
    return result
