"""Numbers, durations and names formatted for people."""

import re

NONE = "–"
LONGEST = 200  # characters of a name
# Control characters, which a terminal obeys; other ends of lines; what turns the
# direction of writing; and halves of characters, which no encoding has.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Return text that a terminal shows in one line; `\x1b` stands for an escape."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def metric(value: float | None) -> str:
    """Return a metric with 3 decimals."""
    return NONE if value is None else f"{value:.3f}"


def number(value: float | None) -> str:
    """Return a score or threshold with 4 significant digits."""
    return NONE if value is None else f"{value:#.4g}".rstrip(".")


def count(value: int, singular: str, plural: str | None = None) -> str:
    """Return "1 defect", "0 defects" or "5,000 defects"."""
    return f"{value:,} {singular if value == 1 else plural or singular + 's'}"


def duration(seconds: float | None) -> str:
    """Return "1 h 02 min", "3 min 20 s" or "45 s"."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def is_utf8(name: str) -> bool:
    """Return whether a name of the file system is text, which tables and JSON hold."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shortened(name: str) -> str:
    """Return a name for a message, the middle of a long one cut out."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}...{name[-half:]}"
