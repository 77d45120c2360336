"""JSON objects as frozen dataclasses that are checked when they are read."""

import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from processing.errors import UserError, shortened
from processing.files import read_json

NAMES = {str: "text", int: "whole number", float: "finite number", bool: "boolean"}

Record = TypeVar("Record", bound="JsonRecord")


@dataclass(frozen=True, kw_only=True)
class JsonRecord:
    """The content of a JSON object, one field for each key.

    A field that has a default can be missing in a file, and is not written while it has
    that value. Keys that are no field, such as those of a later version, are kept.

    Attributes:
        KEYS: the keys on disk of those fields that have another name here.
        others: values of unknown keys.
    """

    KEYS: ClassVar[Mapping[str, str]] = {}

    others: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls: type[Record], path: Path) -> Record:
        """Return the record in a file; a `UserError` if the file is damaged."""
        return cls.from_json(read_json(path), path)

    @classmethod
    def from_json(cls: type[Record], content: Any, source: Path | str) -> Record:
        """Return the record in decoded JSON.

        Raises:
            UserError: a key is missing or its value is of another type. One line with
                `source`, the key, what was expected, and what was received.
        """
        try:
            return _object(cls, content, "")
        except (ValueError, RecursionError) as error:
            raise UserError(f"{source} is damaged: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads, as JSON gives it back."""
        content = {}
        for key, item in _items(type(self)).items():
            value = getattr(self, item.name)
            if _is_required(item) or value != _default(item):
                content[key] = _plain(value)
        return content | self.others

    def check(self) -> None:
        """Raise a `ValueError` if values do not go together, when they are read."""


def _items(kind: type[JsonRecord]) -> dict[str, Field]:
    """Return the fields of a record by their key on disk."""
    named = (item for item in fields(kind) if item.name != "others")
    return {kind.KEYS.get(item.name, item.name): item for item in named}


def _is_required(item: Field) -> bool:
    """Return whether a field has no default."""
    return item.default is MISSING and item.default_factory is MISSING


def _default(item: Field) -> Any:
    """Return the default of a field that has one."""
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def _plain(value: Any) -> Any:
    """Return a value of a record as JSON gives it back."""
    if isinstance(value, JsonRecord):
        return value.to_json()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _object(kind: type[Record], content: Any, place: str) -> Record:
    """Return `content` as a record; `place` is its path of keys, for errors."""
    content = checked(dict[str, Any], content, place)
    prefix = f"{place}." if place else ""
    hints, items = typing.get_type_hints(kind), _items(kind)
    values: dict[str, Any] = {
        "others": {key: value for key, value in content.items() if key not in items}
    }
    for key, item in items.items():
        if key in content:
            values[item.name] = checked(hints[item.name], content[key], prefix + key)
        elif _is_required(item):
            raise ValueError(f"it lacks {prefix + key!r}")
    record = kind(**values)
    record.check()
    return record


def checked(kind: Any, value: Any, place: str) -> Any:
    """Return a value of decoded JSON as an annotation asks for it.

    Args:
        kind: a record, Any, str, int, float or bool; a list, a tuple or a dict of them,
            or one of them or None.
        value: a list stands for a tuple, and a whole number for a float.
        place: path of keys, for errors.

    Raises:
        ValueError: a value of another type, or a number that is not finite.
    """
    origin, kinds = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        [kind] = set(kinds) - {types.NoneType}
        return None if value is None else checked(kind, value, place)
    if isinstance(kind, type) and issubclass(kind, JsonRecord):
        return _object(kind, value, place)
    if origin is dict:
        _expect(isinstance(value, dict), "an object", value, place)
        return {key: checked(kinds[1], value[key], f"{place}.{key}") for key in value}
    if origin in (list, tuple):
        count = len(kinds) if origin is tuple else None
        right = isinstance(value, list) and count in (None, len(value))
        size = f"{count} " if count else ""
        _expect(right, f"a list of {size}{_name(kinds[0])}s", value, place)
        return origin(checked(kinds[0], one, place) for one in value)
    is_number = kind is float and type(value) is int
    right = (is_number or type(value) is kind) and (kind is not float or _finite(value))
    _expect(right, f"a {_name(kind)}", value, place)
    return value


def check_names(**lists: Sequence[str]) -> None:
    """Raise a `ValueError` if a name stands twice in lists of names, given by key."""
    seen: dict[str, str] = {}
    for key, names in lists.items():
        for name in names:
            if name in seen:
                raise ValueError(f"{key}: {shown(name)} is in {seen[name]!r} already")
            seen[name] = key


def check_range(
    key: str, value: float | None, lowest: float, highest: float = math.inf
) -> None:
    """Raise a `ValueError` for a number beyond its range."""
    if value is not None and not lowest <= value <= highest:
        bound = f"at least {lowest}" if value < lowest else f"at most {highest}"
        raise ValueError(f"{key}: expected {bound}. Received: {shown(value)}")


def shown(value: Any) -> str:
    """Return a wrong value as an error shows it."""
    return shortened(ascii(value))


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def _name(kind: Any) -> str:
    return NAMES.get(kind, "object" if isinstance(kind, type) else "value")


def _expect(right: bool, expected: str, value: Any, place: str) -> None:
    if not right:
        where = f"{place}: " if place else ""
        raise ValueError(f"{where}expected {expected}. Received: {shown(value)}")
