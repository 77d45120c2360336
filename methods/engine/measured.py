"""What is measured once on this machine, and remembered.

    CACHE/measured/KIND-KEY.json    what was found, when, and for what

KEY stands for what it was measured for. Any of the files may be deleted.
"""

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from processing.errors import UserError
from processing.files import read_json, write_json

log = logging.getLogger(__name__)


class Measured(NamedTuple):
    """A positive number, and the day, such as 2026-11-29, that it was measured on."""

    value: float
    date: str


def cache_folder() -> Path:
    """Return the cache of this user: $KERAS_ANOMALY_WEIGHTS or ~/.cache/keras-anomaly.

    The weights that were fetched and the graphs that were written lie there, too.
    """
    chosen = os.environ.get("KERAS_ANOMALY_WEIGHTS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "keras-anomaly"


def recall(kind: str, subject: Mapping[str, Any]) -> Measured | None:
    """Return what `remember` has kept, None if nothing, or if the file is damaged."""
    try:
        content = read_json(_path(kind, subject))
        value, day = content["value"], date.fromisoformat(content["date"])
        right = content["subject"] == subject and type(value) is float
    except (OSError, UserError, LookupError, TypeError, ValueError):
        return None
    if not right or not (value > 0 and math.isfinite(value)):
        return None
    return Measured(value, day.isoformat())


def remember(kind: str, subject: Mapping[str, Any], value: float) -> None:
    """Keep a number that was measured today; log it if that cannot be written.

    Args:
        kind: of number, a part of a file name.
        subject: what it was measured for, as JSON gives it back.
        value: positive.
    """
    content = {"value": value, "date": date.today().isoformat(), "subject": subject}
    try:
        write_json(_path(kind, subject), content)
    except UserError as error:
        log.info("the %s is not remembered: %s", kind.replace("_", " "), error)


def _path(kind: str, subject: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(subject, sort_keys=True).encode())
    return cache_folder() / "measured" / f"{kind}-{digest.hexdigest()[:16]}.json"
