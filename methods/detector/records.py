"""What is recorded of a training run, in run.json, info.json and the model file."""

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from processing.data.tree import DRAWN, SPLITS
from processing.errors import UsageError

from .json_record import JsonRecord, check_names, check_range, checked, shown

STAMP = "%d-%m-%Y_%H-%M-%S"  # of run folders; what follows makes them unique
EARLIER = "earlier-"  # begins the id of a model that has none in its file


@dataclass(frozen=True, kw_only=True)
class Splits(JsonRecord):
    """Names of images, relative to the category's folder, or absolute paths.

    Attributes:
        fit: good images that were learned from.
        validation: other good images.
        shots: the support set, which is a part of `fit`.
        defective: images that a supervised method learned from.
        test: images to test with, where they were drawn because the data set has no
            split of its own.
        labels: that `--labels` gave, by name, see `processing.data.labels`.
    """

    fit: list[str]
    validation: list[str]
    shots: list[str] = field(default_factory=list)
    defective: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)

    def check(self) -> None:
        """Raise a `ValueError` unless each image has one part alone."""
        check_names(fit=self.fit, validation=self.validation, defective=self.defective)
        check_names(shots=self.shots)
        if not {*self.shots} <= {*self.fit}:
            raise ValueError("shots: expected images of 'fit'")
        for name, row in self.labels.items():
            if not row.get("label") or row.get("split") not in {DRAWN, *SPLITS}:
                raise ValueError(f"labels.{shown(name)}: expected a label and a split")


@dataclass(frozen=True, kw_only=True)
class CategoryRecord(JsonRecord):
    """One category of a model of several: its folder, and which images were used."""

    folder: str
    splits: Splits


def _with_number(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of shots with the number of rotations, once 4 or none."""
    earlier = settings.get("rotations")
    if not isinstance(earlier, bool):
        return settings
    return settings | {"rotations": 4 if earlier else 1}


def no_splits() -> Splits:
    """Return the splits of a model of several categories, which has them in each."""
    return Splits(fit=[], validation=[])


@dataclass(frozen=True, kw_only=True)
class TrainingRecord(JsonRecord):
    """run.json, info.json, and the attribute `record` of a model file.

    Attributes:
        method: what the registry calls it.
        config: arguments of its class.
        preparation: arguments of `Preparation` but its arrays; None in model files of
            format version 1.
        dataset: name.
        category: name; "" if the model has several.
        categories: folder and splits of each category of several, by name.
        folder: of the category; "" if the model has several.
        options: that the user gave, by parameter.
        splits: of the good images.
        versions: of Python and packages.
        run: dataset/category/method/variant/time of start, the run folder below that
            of all models, and the folder of results below that of all results.
        id: of this training run alone, which decisions for its model repeat, with the
            category behind it if there are several; that of an earlier version's model
            file is made of its record, see `EARLIER`.
        added: what `train.py --update` added to the splits.
        updated_from: the model file that an update began with.
        adapted_from: the model file that the shots were exchanged of.
        training: what the method reports of its training, such as "seconds".
    """

    method: str
    config: dict[str, Any]
    preparation: dict[str, Any] | None = None
    dataset: str
    category: str = ""
    categories: dict[str, CategoryRecord] = field(default_factory=dict)
    folder: str = ""
    options: dict[str, Any] | None = None
    splits: Splits = field(default_factory=no_splits)
    versions: dict[str, str] = field(default_factory=dict)
    run: str = ""
    id: str = ""
    added: Splits | None = None
    updated_from: str | None = None
    adapted_from: str | None = None
    training: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Any, source: Path | str) -> "TrainingRecord":
        """See `JsonRecord.from_json`; settings are those of this version."""
        record = super().from_json(content, source)
        if record.method not in ("fewshot", "unified"):
            return record
        options = record.options and _with_number(record.options)
        return replace(record, config=_with_number(record.config), options=options)

    def check(self) -> None:
        """Raise a `ValueError` for what is missing, or leads out of a folder."""
        if not self.categories:
            needed = ("category", "folder", "splits")
            given = (self.category, self.folder, self.splits.fit)
            for key, value in zip(needed, given, strict=True):
                if not value:
                    raise ValueError(f"it lacks {key!r}, or 'categories'")
            self._check_added()
        for name in self.categories:
            _check_path("categories", name, parts=1)
        seconds = checked(
            float | None, self.training.get("seconds"), "training.seconds"
        )
        check_range("training.seconds", seconds, 0)
        _check_path("run", self.run, parts=5)
        try:
            self.started  # noqa: B018 - a property that raises
        except ValueError as error:
            raise ValueError(f"run: {error}") from error

    def _check_added(self) -> None:
        for key in ("fit", "validation"):
            added = getattr(self.added, key, ())
            if not {*added} <= {*getattr(self.splits, key)}:
                raise ValueError(f"added.{key}: expected images of 'splits.{key}'")

    @property
    def started(self) -> datetime:
        """When the training run started."""
        stamp = self.run.rpartition("/")[-1]
        return datetime.strptime(stamp[:19], STAMP)

    @property
    def views(self) -> list["TrainingRecord"]:
        """The record as if its model had one category alone, for each."""
        return [self.of_category(name) for name in self.categories] or [self]

    @property
    def of_several(self) -> bool:
        """Whether it is the view of one of several categories."""
        return "/" in self.id

    def of_category(self, name: str) -> "TrainingRecord":
        """Return the record of a model of several as if it had one category alone.

        Raises:
            UsageError: a name that is none of them.
        """
        if name not in self.categories:
            raise UsageError(
                "the model knows several categories: expected --category (of "
                f"finetune.py, -d) with one of {', '.join(self.categories)}. Received: "
                f"{name or 'none'}"
            )
        dataset, _, *rest = self.run.split("/")
        chosen = self.categories[name]
        return replace(
            self,
            category=name,
            categories={},
            run="/".join((dataset, name, *rest)),
            id=f"{self.id}/{name}",
            folder=chosen.folder,
            splits=chosen.splits,
        )


def _check_path(key: str, path: str, parts: int) -> None:
    """Raise a `ValueError` unless `path` stays below the folder that it is joined to.

    It has `parts` parts or, if these are more than one, more.
    """
    names = path.split("/")
    count = len(names) == 1 if parts == 1 else len(names) >= parts
    wrong = {"", ".", ".."} & {*names} or re.search(r"[\\\x00-\x1f\x7f]", path)
    drive = any(name[1:2] == ":" for name in names)
    if wrong or drive or not count:
        expected = "/".join(["NAME"] * parts)
        raise ValueError(
            f"{key}: expected a relative path {expected} without '..'. Received: "
            f"{shown(path)}"
        )
