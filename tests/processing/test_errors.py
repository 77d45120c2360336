import pytest

from processing.errors import UsageError, UserError, one_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("no\nimages   in x"), "no images in x"),
        (UsageError("--area: expected\ta number"), "--area: expected a number"),
        (FileNotFoundError(2, "No such file", "x.png"), "No such file (x.png)"),
        (OSError(28, "No space left"), "No space left"),
        (OSError("odd"), "OSError: odd (--debug shows where)"),
        (ValueError("a\nb"), "ValueError: a b (--debug shows where)"),
    ],
)
def test_an_error_is_one_line(error, line):
    assert one_line(error) == line
