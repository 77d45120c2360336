"""Folders of graphs that were compared with what they were made of."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from processing.errors import UserError
from processing.files import read_json, sha256, temporary_folder, write_json

CHECKED = "graph.json"  # beside a graph that does what it was made of


def is_whole(folder: Path) -> bool:
    """Return whether a graph is there, byte for byte as it was compared."""
    try:
        files = read_json(folder / CHECKED)["files"]
        return bool(files) and all(
            sha256(folder / Path(name).name) == digest for name, digest in files.items()
        )
    except (OSError, UserError, LookupError, AttributeError, TypeError):
        return False


def mark_whole(folder: Path, difference: float) -> None:
    """Write what `is_whole` reads.

    Args:
        folder: with the graph alone.
        difference: that the comparison found.
    """
    files = {x.name: sha256(x) for x in sorted(folder.iterdir())}
    write_json(folder / CHECKED, {"files": files, "difference": difference})


@contextmanager
def new_graph(room: Path, folder: Path | None) -> Iterator[Path]:
    """Yield an empty folder in `room` that becomes `folder` if the block succeeds.

    It is gone if there is no `folder`, or if another process was first.
    """
    with temporary_folder(room, "graph") as work:
        written = work / "graph"
        written.mkdir()
        yield written
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another process was first
                written.rename(folder)
