"""The parameters of a detector as options of the command line, and their checks."""

from collections.abc import Mapping
from typing import Any, NoReturn

from methods.cli.config_file import as_arguments
from methods.cli.defaults import Derived, defaults
from methods.cli.method_checks import check_options
from methods.cli.method_options import add_method_options, given
from methods.cli.parser import Parser
from processing.errors import UsageError


class _Options(Parser):
    """Raises a `UsageError` that names the parameter, in the place of an exit."""

    def error(self, message: str) -> NoReturn:
        for action in self._actions:
            flags = "/".join(action.option_strings)
            message = message.replace(f"argument {flags}:", f"{action.dest}:")
        raise UsageError(message)


def default(method: str, name: str) -> Any:
    """Return the default of a parameter; None where it follows from something else."""
    value = defaults(name)[method]
    return None if name == "size" or isinstance(value, Derived) else value


def options_of(
    method: str, parameters: Mapping[str, Any]
) -> dict[str, tuple[str, Any]]:
    """Return flag and value of each parameter that is not its default.

    Args:
        method: key of `METHODS`.
        parameters: of the method, as users write them.

    Raises:
        UserError: values that the command line refuses.
    """
    parser = _Options(add_help=False)
    add_method_options(parser)
    names = {x.dest: x.option_strings[-1].removeprefix("--") for x in parser._actions}
    values = {key: _plain(value) for key, value in parameters.items()}
    texts = {
        names[key]: _text(key, value)
        for key, value in values.items()
        if value != default(method, key)
    }
    options = given(parser.parse_args(as_arguments(texts, parser, method)))
    check_options(method, options)
    return options


def _plain(value: Any) -> Any:
    """Return a value of NumPy as one of Python."""
    return value.tolist() if hasattr(value, "tolist") else value


def _text(name: str, value: Any) -> Any:
    """Return a value as a command line has it: several with what is in between."""
    if not isinstance(value, list | tuple):
        return value
    return ("x" if name in ("size", "crop") else ",").join(map(str, value))
