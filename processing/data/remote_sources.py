"""Sources of very many images: a folder, a pattern, Parquet files; or URLs.

A URL is whatever fsspec (https://filesystem-spec.readthedocs.io) has a package for:
s3://, gs://, abfs://, hdfs://, https:// ...
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from processing.decoding.decode import SUFFIXES
from processing.errors import UsageError, UserError, one_line

from .listing import list_images, report_left_out, some

TABLE = ".parquet"
EXPECTED = "expected a folder of images, a pattern such as 'photos/*.png', or Parquet "
EXPECTED += "files with a column path or bytes"

Part = list[str] | dict[str, Any]  # names of files, or a table and its rows; JSON-able


def count(part: Part) -> int:
    """Return how many images, or files of them, a part has."""
    if isinstance(part, list):
        return len(part)
    start, stop = part["rows"]
    return stop - start


def cut(part: Part, size: int) -> Iterator[Part]:
    """Yield parts of a part, of `size` images or less."""
    for first in range(0, count(part), size):
        if isinstance(part, list):
            yield part[first : first + size]
        else:
            start, stop = part["rows"]
            rows = [start + first, min(start + first + size, stop)]
            yield {**part, "rows": rows}


@dataclass(frozen=True)
class Source:
    """Images by name, in parts.

    Attributes:
        text: a folder, pattern, Parquet file or folder of them, as a path or a URL.
    """

    text: str

    @property
    def place(self) -> str:
        """The absolute path, or the URL."""
        return self.text if "://" in self.text else os.path.abspath(self.text)

    @property
    def name(self) -> str:
        """A name for a folder of results."""
        place = self.place.rstrip("/")
        root = self._base(place) if self._is_pattern else place
        last = place[len(root.rpartition("/")[0]) :].strip("/").removesuffix(TABLE)
        return re.sub(r"[^\w.-]+", "_", last) or "images"

    def parts(self, known: Sequence[Part], size: Callable[[int], int]) -> list[Part]:
        """Scan the source and return parts of the images in none of the `known` parts.

        Args:
            known: parts of an earlier time.
            size: how many images a part has, by the number of new ones.
        """
        names, tables = self._scan()
        if tables:
            planned = {part["table"] for part in known if isinstance(part, dict)}
            counts = {name: self._rows(name) for name in tables if name not in planned}
            step = size(sum(counts.values()))
            return [
                {"table": name, "rows": [start, min(start + step, count)]}
                for name, count in counts.items()
                for start in range(0, count, step)
            ]
        planned = {name for part in known if isinstance(part, list) for name in part}
        new = [name for name in names if name not in planned]
        step = size(len(new))
        return [new[start : start + step] for start in range(0, len(new), step)]

    @contextmanager
    def files(self, part: Part) -> Iterator[dict[str, Path]]:
        """Yield the image files of a part by name; those from elsewhere as copies.

        A file that is not there has its path all the same.
        """
        with tempfile.TemporaryDirectory() as folder:
            if isinstance(part, list):
                yield _fetched({x: self._join(x) for x in part}, Path(folder))
            else:
                yield self._of_table(part, Path(folder))

    @property
    def _is_pattern(self) -> bool:
        signs = "*[" if "://" in self.text else "*?["  # ? has a meaning in a URL
        return any(sign in self.text for sign in signs) and not os.path.isdir(self.text)

    def _scan(self) -> tuple[list[str], list[str]]:
        """Return the names of images, or else of Parquet files."""
        if os.path.isdir(self.place):
            listing = list_images(Path(self.place))
            report_left_out(listing.folder, listing.left_out, skip_unreadable=True)
            if listing.images:
                return list(listing.images), []
        system, root = _opened(self.place)
        try:
            files = sorted((system.glob if self._is_pattern else system.find)(root))
        except (OSError, ValueError) as error:
            raise UserError(f"cannot list {self.text}: {one_line(error)}") from error
        base = self._base(root)
        names = [x[len(base) :].lstrip("/") for x in files]
        names = [x for x in names if x and not _is_hidden(x)]
        tables = [x for x in names if x.lower().endswith(TABLE)]
        pictures = [x for x in names if x.lower().endswith(SUFFIXES)]
        if bool(pictures) == bool(tables):
            there = "both" if tables else some(names or files) or "nothing"
            raise UsageError(f"{self.text}: {EXPECTED}. Received: {there}")
        return pictures, tables

    def _base(self, root: str) -> str:
        """Return the part of a path that no name repeats."""
        if self._is_pattern:
            return re.split(r"/[^/]*[*?[]", root, maxsplit=1)[0]
        single = root.lower().endswith(TABLE)
        return root.rpartition("/")[0] if single else root

    def _join(self, name: str) -> str:
        return f"{self._base(self.place).rstrip('/')}/{name}"

    def _rows(self, table: str) -> int:
        with _table(self._join(table)) as file:
            return file.metadata.num_rows

    def _of_table(self, part: dict[str, Any], folder: Path) -> dict[str, Path]:
        """Return the files of some rows of a Parquet file."""
        where = self._join(part["table"])
        start, stop = part["rows"]
        with _table(where) as file:
            columns = [x for x in ("path", "bytes") if x in file.schema_arrow.names]
            if not columns:
                column_names = some(file.schema_arrow.names)
                raise UserError(f"{where}: {EXPECTED}. Received: {column_names}")
            rows = _rows(file, columns, start, stop)
        numbered = [f"{part['table']}:{i}" for i in range(start, stop)]
        names = list(map(str, rows["path"])) if "path" in rows else numbered
        if len(set(names)) < len(names):
            raise UserError(f"{where}: some images are in rows {start} to {stop} twice")
        if "bytes" not in rows:
            beside = where.rpartition("/")[0]
            return _fetched({x: _absolute(x, beside) for x in names}, folder)
        files = {name: _local(i, name, folder) for i, name in enumerate(names)}
        for path, content in zip(files.values(), rows["bytes"], strict=True):
            path.write_bytes(content or b"")
        return files


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _opened(place: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the path in it."""
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(place)
    except (ImportError, ValueError) as error:
        raise UserError(f"{place}: {one_line(error)}") from error
    return system, path


@contextmanager
def _table(place: str) -> Iterator[Any]:
    """Open a Parquet file."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    system, path = _opened(place)
    try:
        with system.open(path) as file:
            yield ParquetFile(file)
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"cannot read {place}: {one_line(error)}") from error


def _rows(
    file: Any, columns: Sequence[str], start: int, stop: int
) -> dict[str, list[Any]]:
    """Return the rows from start to stop, reading no other row group."""
    contents: dict[str, list[Any]] = {name: [] for name in columns}
    first = 0
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        if first < stop and start < last:
            rows = file.read_row_group(group, columns)
            selection = rows.slice(max(start - first, 0), stop - max(start, first))
            for name, values in selection.to_pydict().items():
                contents[name] += values
        first = last
    return contents


def _absolute(place: str, folder: str) -> str:
    """Return a path of a table; a relative one is meant from the table's folder."""
    return place if "://" in place or place.startswith("/") else f"{folder}/{place}"


def _local(number: int, name: str, folder: Path) -> Path:
    return folder / f"{number:06}-{PurePosixPath(name).name}"


def _fetched(places: dict[str, str], folder: Path) -> dict[str, Path]:
    """Return the files at paths or URLs, by name, those of other machines as copies."""
    from fsspec.implementations.local import LocalFileSystem

    files: dict[str, Path] = {}
    elsewhere: dict[Any, dict[str, Path]] = {}
    for number, (name, place) in enumerate(places.items()):
        system, path = _opened(place)
        if isinstance(system, LocalFileSystem):
            files[name] = Path(path)
            continue
        files[name] = _local(number, name, folder)
        elsewhere.setdefault(system, {})[path] = files[name]
    for system, copies in elsewhere.items():  # all at once, where it can
        for path, content in system.cat(list(copies), on_error="return").items():
            if isinstance(content, bytes):
                copies[path].write_bytes(content)
            elif not isinstance(content, FileNotFoundError):
                raise UserError(f"cannot read {path}: {one_line(content)}")
    return files
