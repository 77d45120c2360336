"""Numbers, durations and names of files formatted for people."""

NONE = "–"
LONGEST = 200  # characters of a name


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


def printable(name: str) -> str:
    """Return a name for a message: what is no UTF-8 escaped, the middle cut out."""
    text = name.encode("utf-8", "backslashreplace").decode()
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}...{text[-half:]}"
