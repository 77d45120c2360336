"""Read the tensors of a PyTorch file without PyTorch and without running its code.

A `.pth` file is a pickle with numbers beside it: in a zip file, or, before PyTorch
1.6, one after the other in one file. Unpickling may call whatever `find_class` hands
out, so this one hands out nothing but what tensors consist of. It is the unpickler in
Python: the one in C allocates what a file declares and recurses as deep as it says.
"""

import io
import math
import os
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

from processing.errors import UserError, shortened

MAGIC = 0x1950A86A20F9469CFC6C  # of files before PyTorch 1.6
LARGEST = 2**21  # bytes of a pickle: a tensor takes about 100
MOST_AXES = 16
STORAGES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}
WRAPPERS = ("state_dict", "model_state_dict", "model")  # what tensors may lie under
Places = dict[str, tuple[int, int]]  # key of a storage -> its bytes in the file
# What dictionaries, lists, plain values and tensors are pickled as.
OPCODES = """
    PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT
    BINUNICODE SHORT_BINUNICODE BINSTRING SHORT_BINSTRING EMPTY_TUPLE TUPLE TUPLE1
    TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS GLOBAL
    STACK_GLOBAL REDUCE BUILD BINPERSID BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET
"""


class Stored(NamedTuple):
    """A tensor in a file, read when it is asked for."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


class _Storage(NamedTuple):
    """Numbers in the file: `length` of them, of NumPy's `dtype`."""

    key: str
    dtype: str
    length: int


class _Tensor(NamedTuple):
    """A view of a storage; offset and strides count numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    length: int  # from its first number to its last


def _dictionary(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
    """Stand in for `collections.OrderedDict`; keys are text or whole numbers.

    To hash tuples of tuples can take for ever, or overflow the stack.
    """
    content = {}
    for key, value in pairs:
        if type(key) not in (str, int):
            raise ValueError("a key is neither text nor a whole number")
        content[key] = value
    return content


def _tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, *_unused: Any
) -> _Tensor:
    """Stand in for `torch._utils._rebuild_tensor_v2`."""
    numbers = (offset, *shape, *strides)
    if any(type(number) is not int or not 0 <= number < 2**63 for number in numbers):
        raise ValueError("a tensor's sizes are no whole numbers")
    if len(shape) > MOST_AXES:
        raise ValueError(f"a tensor has more than {MOST_AXES} axes")
    reach = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    length = 0 if 0 in shape else reach + 1
    needed = max(offset + length, math.prod(shape))
    if type(storage) is not _Storage or needed > storage.length:
        raise ValueError("a tensor reaches beyond its data")
    return _Tensor(storage, offset, tuple(shape), tuple(strides), length)


class _Dispatch(dict[int, Callable[[Any], None]]):
    """What the unpickler does for each opcode; one that is not there is refused."""

    def __missing__(self, code: int) -> None:
        raise ValueError(
            f"it holds the opcode {chr(code)!a}, which tensors do not take"
        )


class _Unpickler(pickle._Unpickler):
    """Makes dictionaries, plain values and tensors, and refuses all else.

    The pickle can change nothing that it gets: a type written in C, functions,
    strings and tuples have no state to set.
    """

    stack: list[Any]

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.start = file, file.tell()
        self.data = io.BytesIO(file.read(LARGEST))  # reads no more than is there
        super().__init__(self.data)
        self.storages: dict[str, _Storage] = {}

    def load(self) -> Any:
        """Return what is pickled, and leave the file behind it."""
        try:
            content = super().load()
        except EOFError as error:
            raise ValueError("its pickle ends too early, or is too long") from error
        self.file.seek(self.start + self.data.tell())
        return content

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _dictionary
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in STORAGES:
            return name
        full = shortened(ascii(f"{module}.{name}")[1:-1])
        raise UserError(f"it holds {full}, but only tensors are read")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, length, *view = pid
        if kind != "storage" or any(view):
            raise ValueError("unknown kind of data")
        if type(key) is not str or type(length) is not int or length < 0:
            raise ValueError("data without a name and a length")
        if type(dtype) is not str:
            raise ValueError("data without a type")
        return self.storages.setdefault(key, _Storage(key, STORAGES[dtype], length))

    def load_build(self) -> None:
        """Leave out the attributes of a dictionary, PyTorch's `_metadata`."""
        self.stack.pop()
        if type(self.stack[-1]) is not dict:
            raise ValueError("it changes what is no dictionary")

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def load_setitems(self) -> None:
        self._update(self.pop_mark())  # type: ignore[attr-defined]

    def _update(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise ValueError("it changes what is no dictionary")
        self.stack[-1].update(_dictionary(zip(items[::2], items[1::2], strict=True)))

    dispatch = _Dispatch(
        {
            ord(opcode.code): pickle._Unpickler.dispatch[ord(opcode.code)]
            for opcode in pickletools.opcodes
            if opcode.name in OPCODES.split()
        }
    )
    dispatch[ord("b")] = load_build
    dispatch[ord("s")] = load_setitem
    dispatch[ord("u")] = load_setitems


def read_tensors(path: Path) -> dict[str, Stored]:
    """Return the tensors of a PyTorch file by name, each read when asked for.

    Raises `UserError` where the file holds anything but tensors, or is damaged.
    """
    try:
        with path.open("rb") as file:
            read = _read_zip if zipfile.is_zipfile(file) else _read_legacy
            file.seek(0)
            content, places = read(file)
            size = file.seek(0, os.SEEK_END)
        return {
            name: Stored(tensor.shape, _reader(path, tensor, places, size))
            for name, tensor in _named(content).items()
        }
    except UserError as error:
        raise UserError(f"{path} is refused: {error}") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # a made file can raise anything
        raise UserError(
            f"{path} is damaged, or no PyTorch file of weights: {error}"
        ) from error


def stored_members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """Return the members of a zip file of `size` bytes by name.

    Raises a `ValueError` unless each is there once, as it is, and within the file.
    """
    members = {info.filename: info for info in archive.infolist()}
    if len(members) < len(archive.infolist()):
        raise ValueError("it holds two members of one name")
    if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
        raise ValueError("it is compressed: PyTorch does not compress, nor does Keras")
    sizes = [(info.file_size, info.compress_size) for info in members.values()]
    if any(one != other for one, other in sizes) or sum(x for x, _ in sizes) > size:
        raise ValueError("it declares more than it holds")
    return members


def _read_zip(file: BinaryIO) -> tuple[Any, Places]:
    """Return what is pickled, and where in the file each storage starts and ends."""
    with zipfile.ZipFile(file) as archive:
        members = stored_members(archive, file.seek(0, os.SEEK_END))
        [main] = [name for name in members if name.endswith("/data.pkl")]
        root = main.removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in members and archive.read(order) != b"little":
            raise ValueError("its numbers are big-endian")
        with archive.open(main) as pickled:
            content = _Unpickler(pickled).load()
    places = {}
    for name, info in members.items():
        file.seek(info.header_offset + 26)  # the lengths of name and extra field
        start = info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
        places[name.removeprefix(f"{root}data/")] = start, start + info.file_size
    return content, places


def _read_legacy(file: BinaryIO) -> tuple[Any, Places]:
    """Return the same for a file of before PyTorch 1.6."""
    magic, _version, system = (_Unpickler(file).load() for _ in range(3))
    if magic != MAGIC or not system["little_endian"]:
        raise ValueError("unknown format")
    unpickler = _Unpickler(file)
    content = unpickler.load()
    places = {}
    for key in _Unpickler(file).load():
        if type(key) is not str:
            raise ValueError("data without a name")
        [length] = struct.unpack("<q", file.read(8))
        start = file.tell()
        itemsize = np.dtype(unpickler.storages[key].dtype).itemsize
        places[key] = start, file.seek(start + length * itemsize)
    return content, places


def _named(content: Any) -> dict[str, _Tensor]:
    """Return the tensors by name, from under a wrapper if there is one."""
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise UserError("it holds no tensors by name")
    for name, tensor in content.items():
        if type(name) is not str or type(tensor) is not _Tensor:
            raise UserError(f"{shortened(ascii(name))} in it is no tensor")
    return content


def _reader(
    path: Path, tensor: _Tensor, places: Places, size: int
) -> Callable[[], np.ndarray]:
    """Return a function that reads the tensor, which lies within the file."""
    dtype = np.dtype(tensor.storage.dtype)
    start, end = places[tensor.storage.key]
    if end > size:
        raise ValueError("it is truncated")
    if start + tensor.storage.length * dtype.itemsize != end:
        raise ValueError("its data is not as long as its tensors say")
    start += tensor.offset * dtype.itemsize
    strides = tuple(stride * dtype.itemsize for stride in tensor.strides)

    def read() -> np.ndarray:
        numbers = np.fromfile(path, dtype, tensor.length, offset=start)
        return np.ndarray(tensor.shape, dtype, numbers, 0, strides)

    return read
