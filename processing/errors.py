"""Errors that a user can mend: one line that says what, where, and what to do."""


class UserError(Exception):
    """A failure with a message for the user; the scripts exit with 1."""


class UsageError(UserError):
    """An argument that makes no sense; the scripts exit with 2."""
