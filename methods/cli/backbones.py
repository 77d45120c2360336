"""List the backbones, or fetch the ImageNet weights of one of them."""

import sys
from collections.abc import Sequence

from methods.backbones import BACKBONES, levels, pretrained

from .parser import Parser, one_of, program_name, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = Parser(
        prog=program_name("methods.backbones"), description=__doc__, allow_abbrev=False
    )
    options.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    commands = options.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what there is, and whose weights are here")
    fetching = commands.add_parser("fetch", help="download ImageNet weights")
    fetching.add_argument("name", type=one_of(BACKBONES), help="of a backbone")
    arguments = options.parse_args(argv)
    if arguments.command == "list":
        return run_command(show, debug=arguments.debug)
    return run_command(
        lambda: print(pretrained.fetch(arguments.name)), debug=arguments.debug
    )


def show() -> None:
    """Print a table of all backbones."""
    head = "name|levels: channels/stride|parameters|weights from|licence|here"
    rows = [tuple(head.split("|"))]
    for name, known in BACKBONES.items():
        here = "yes" if pretrained.local(name) else "no"
        maps = " ".join(f"{x.name}:{x.channels}/{x.stride}" for x in levels(name))
        source = known.package or known.repository or "–"
        size, licence = f"{known.parameters / 1e6:.1f} M", known.licence or "–"
        rows.append((name, maps, size, source, licence, here))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    sys.exit(main())
