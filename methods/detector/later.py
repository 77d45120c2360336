"""A method that is loaded when it is to judge, and what is known of it before."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from methods.base import Method
from processing.errors import UserError
from processing.files import write_json

from .json_record import JsonRecord
from .kept import Kept, log
from .settings import KERAS

FILE = "facts.json"


@dataclass(frozen=True, kw_only=True)
class Facts(JsonRecord):
    """facts.json: what a decision has to know of a method.

    Attributes:
        highest: by kind of maps, see `Method.highest`; the others are `Method`'s.
    """

    name: str
    variant: str
    image_shape: tuple[int, int, int]
    seed: int
    map_kinds: list[str]
    default_kind: str
    highest: dict[str, float]

    @classmethod
    def of(cls, method: Method) -> "Facts":
        """Return the facts of a fitted method."""
        highest = {}
        for kind in method.map_kinds:
            with suppress(LookupError):  # it was not calibrated
                highest[kind] = float(method.highest(kind))
        names = ("name", "variant", "image_shape", "seed", "default_kind")
        values = {name: getattr(method, name) for name in names}
        return cls(**values, map_kinds=list(method.map_kinds), highest=highest)


class Later:
    """Stands for a fitted method, which is loaded when more than facts is asked for.

    Args:
        facts: of the method.
        load: returns the method.
    """

    runtime = KERAS

    def __init__(self, facts: Facts, load: Callable[[], Method]) -> None:
        self.name, self.variant, self.seed = facts.name, facts.variant, facts.seed
        self.image_shape = facts.image_shape
        self.map_kinds, self.default_kind = facts.map_kinds, facts.default_kind
        self._highest, self._load = facts.highest, load

    @classmethod
    def of(cls, kept: Kept, load: Callable[[], Method]) -> "Later | Method":
        """Return a stand-in by the facts that are kept, or load, and keep them."""
        file = kept.folder and kept.folder / FILE
        if file and file.is_file():
            try:
                return cls(Facts.read(file), load)
            except (OSError, UserError) as error:
                log.info("the model is loaded: %s", error)
        method = load()
        if file:
            with suppress(UserError):  # then the next one loads it, too
                write_json(file, Facts.of(method).to_json())
        return method

    def highest(self, kind: str) -> float:
        """Return what `Method.highest` returns."""
        known = self._highest.get(kind)
        return self._method.highest(kind) if known is None else known

    @cached_property
    def _method(self) -> Method:
        return self._load()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # of Python, not of methods
            raise AttributeError(name)
        return getattr(self._method, name)
