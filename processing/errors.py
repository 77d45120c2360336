"""Errors that a user can fix: one line with what, where, and what to do."""

LONGEST = 60  # characters of a wrong value that an error shows


class UserError(Exception):
    """A failure with a message for the user; the scripts exit with 1."""


class UsageError(UserError):
    """An invalid argument; the scripts exit with 2."""


def shortened(text: str) -> str:
    """Return the beginning of a wrong value, as long as an error shows it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def reason(error: Exception) -> str:
    """Return the one-line message of an error, whatever it is."""
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}"
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def one_line(error: Exception) -> str:
    """Return the message of an error that ends a script, perhaps with advice."""
    known = isinstance(error, UserError) or getattr(error, "strerror", None)
    return reason(error) + ("" if known else " (--debug shows where)")
