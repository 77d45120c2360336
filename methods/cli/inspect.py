"""Print what a data set holds, and what is odd about it, before any work."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from processing.data.dataset import category_names
from processing.data.listing import some
from processing.data.scan import find_categories, scan
from processing.data.sizes import Size, describe_sizes
from processing.data.survey import MISSING, ImageGroup, Survey
from processing.errors import UserError, one_line
from processing.wording import count, printable

from .parser import new_parser, parse, run_command

COLUMNS = ("split", "class", "images", "height x width", "pixels", "masks")
SHOWN_SIZES = 2
ORDER = {split: i for i, split in enumerate(("train", "validation", "drawn", "test"))}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = new_parser("Print what a data set holds, and what is odd about it.")
    help_ = (
        "category, in any known layout, a table of images, or a folder of categories"
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=help_)
    options = parse(parser, argv)

    def work() -> None:
        folders, others = find_categories(options.folder)
        if not folders:
            print_survey(Survey(scan(options.folder), masks=True))
        failed = []
        for folder in folders:
            try:
                print_survey(Survey(scan(folder), masks=True))
            except UserError as error:
                failed.append(f"{folder.name}: {one_line(error)}")
        if others:
            print(f"warning: no categories: {some(others)}")
        if failed:
            raise UserError(
                f"{count(len(failed), 'category', 'categories')} with an "
                f"error: {some(failed, '; ')}"
            )

    return run_command(work, debug=options.debug)


def print_survey(survey: Survey) -> None:
    """Print a table of the images, the size that is chosen, and the warnings."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = survey.scan
    names = "/".join(category_names(found.folder))
    table = Table(title=Text(printable(f"{names}: {found.layout}")))
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for group in sorted(survey.groups.values(), key=lambda one: ORDER[one.split]):
        table.add_row(*(Text(printable(cell)) for cell in _cells(group)))
    Console().print(table)
    if survey.training_sizes:
        (height, width), sizes = survey.size(), describe_sizes(survey.training_sizes)
        print(
            f"size:    {height}x{width} (height x width) for images of {sizes}, by "
            "default, of most methods"
        )
    for note in found.notes:
        print(f"note:    {printable(note)}")
    if found.left_out:
        left_out = some(map(str, found.left_out), separator="; ")
        print(f"warning: not taken: {count(len(found.left_out), 'file')}: {left_out}")
    for warning in survey.warnings():
        print(f"warning: {printable(warning)}")


def _cells(group: ImageGroup) -> tuple[str, ...]:
    masks = [f"{n:,} {state}" for state, n in sorted(group.masks.items()) if n]
    expected = group.kind != "good" or group.masks[MISSING] < group.images
    return (
        group.split,
        group.kind,
        f"{group.images:,}",
        _sizes(group.sizes),
        some(sorted(group.pixels)),
        ", ".join(masks) if expected else "",
    )


def _sizes(sizes: Sequence[Size]) -> str:
    """Return the commonest sizes and how many images have them, or the range."""
    counts = Counter(sizes)
    if len(counts) > SHOWN_SIZES:
        return f"{describe_sizes(sizes)} ({len(counts)} sizes)"
    texts = [
        f"{h}x{w}" + (f" ({n:,})" if len(counts) > 1 else "")
        for (h, w), n in counts.most_common()
    ]
    return ", ".join(texts)
