"""Errors that a user can fix: one line with what, where, and what to do."""


class UserError(Exception):
    """A failure with a message for the user; the scripts exit with 1."""


class UsageError(UserError):
    """An invalid argument; the scripts exit with 2."""


def one_line(error: Exception) -> str:
    """Return the one-line message of an error."""
    text = " ".join(str(error).split())
    if isinstance(error, UserError):
        return text
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}"
    return f"{type(error).__name__}: {text} (--debug shows where)"
