import io
import os
import pickle
import subprocess
import sys
import types
import zipfile

import numpy as np
import pytest

from methods.backbones.pth import MAGIC, read_tensors
from processing.errors import UserError


class Calls:
    """Pickled as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Pickler(pickle.Pickler):
    """Pickles a tuple ("storage", ...) as PyTorch refers to data."""

    def persistent_id(self, value):
        if isinstance(value, tuple) and value[:1] == ("storage",):
            return value
        return None


@pytest.fixture
def torch(monkeypatch):
    """Return what pickles name of PyTorch."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage = type("FloatStorage", (), {"__module__": "torch"})
    torch.Tensor = type("Tensor", (), {"__module__": "torch"})
    rebuild = "_rebuild_tensor_v2"
    torch.rebuild = types.FunctionType((lambda: None).__code__, {}, rebuild)
    torch.rebuild.__module__, torch.rebuild.__qualname__ = "torch._utils", rebuild
    setattr(utils, rebuild, torch.rebuild)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file in PyTorch's format and gives its path."""

    def write(content, compression=zipfile.ZIP_STORED, **data):
        pickled = io.BytesIO()
        Pickler(pickled, protocol=2).dump(content)
        path = tmp_path / "weights.pth"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("archive/data.pkl", pickled.getvalue())
            for key, numbers in data.items():
                archive.writestr(f"archive/data/{key}", numbers.tobytes())
        return path

    return write


@pytest.mark.parametrize("file", ["small.pth", "small_legacy.pth"])
def test_both_formats_of_pytorch(file, data):
    tensors = {k: stored.read() for k, stored in read_tensors(data / file).items()}
    base = np.arange(24, dtype="float32").reshape(2, 3, 4)
    expected = {
        "base": base,
        "part": base[1, :, 1:3],
        "turned": base.transpose(2, 0, 1),
        "half": np.arange(3, dtype="float16"),
        "double": np.arange(3, dtype="float64"),
        "count": np.array(7),
        "empty": np.zeros((0, 3), "float32"),
    }
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value)
        assert tensors[name].dtype == value.dtype


def test_a_made_file_is_read(torch, written):
    storage = ("storage", torch.FloatStorage, "a", "cpu", 6)
    tensor = Calls(torch.rebuild, storage, 1, (2, 2), (2, 1), False, None)
    path = written({"module.x": tensor}, a=np.arange(6, dtype="float32"))
    stored = read_tensors(path)["module.x"]
    assert stored.shape == (2, 2)
    np.testing.assert_array_equal(stored.read(), [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(3, (2, 2), (2, 1)), (0, (7,), (1,)), (-1, (2,), (1,)), (0, (2,), (-1,)),
     (0, (2, 2), (1,)), (0, (2.0,), (1,)), (0, (10**12,), (1,)), (0, (7,), (0,)),
     (0, (10**12, 10**12), (0, 0)), (0, (1,) * 17, (0,) * 17), (0, "ab", (1, 1)),
     (0, 2, 1), (2**600, (0,), (1,)), ((0,), (2,), (1,)), (None, (2,), (1,))],
)  # fmt: skip
def test_tensors_beyond_their_data(offset, shape, strides, torch, written):
    storage = ("storage", torch.FloatStorage, "a", "cpu", 6)
    tensor = Calls(torch.rebuild, storage, offset, shape, strides, False, None)
    path = written({"x": tensor}, a=np.arange(6, dtype="float32"))
    with pytest.raises(UserError, match=r"weights.pth is damaged"):
        read_tensors(path)


@pytest.mark.parametrize("length", [5, 7, 10**12, -1, "6"])
def test_data_of_another_length(length, torch, written):
    storage = ("storage", torch.FloatStorage, "a", "cpu", length)
    tensor = Calls(torch.rebuild, storage, 0, (2,), (1,), False, None)
    path = written({"x": tensor}, a=np.arange(6, dtype="float32"))
    with pytest.raises(UserError, match="damaged"):
        read_tensors(path)


@pytest.mark.parametrize(
    "content",
    [
        Calls(os.system, "touch hacked"),
        {"x": Calls(os.system, "touch hacked")},
        Calls(eval, "open('hacked', 'w')"),
        Calls(getattr, Calls(__import__, "os"), "system"),
        Calls(np.load, "hacked"),
        Calls(bytearray, 10**12),
    ],
)
def test_nothing_is_called(content, written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"is refused: it holds \S+, but only tensors"):
        read_tensors(written(content))
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


def test_the_call_is_named(written):
    with pytest.raises(UserError, match=f"it holds {os.system.__module__}.system"):
        read_tensors(written({"x": Calls(os.system, "true")}))


def test_a_whole_network_is_refused(torch, written):
    with pytest.raises(UserError, match="it holds torch.Tensor, but only tensors"):
        read_tensors(written({"x": torch.Tensor}))


def test_the_pickle_cannot_change_what_it_is_given(torch, written):
    class State:
        def __init__(self, target):
            self.target = target

        def __reduce__(self):
            return torch.rebuild, self.target, (None, {"shape": (10**9,)})

    storage = ("storage", torch.FloatStorage, "a", "cpu", 6)
    tensor = State((storage, 0, (2,), (1,), False, None))
    path = written({"x": tensor}, a=np.arange(6, dtype="float32"))
    with pytest.raises(UserError, match="damaged"):
        read_tensors(path)


@pytest.mark.parametrize("content", [{}, {"x": 1}, {1: 2}, [], "text", {"model": {}}])
def test_files_without_tensors(content, written):
    with pytest.raises(UserError, match=r"is refused: .*(no tensor)"):
        read_tensors(written(content))


@pytest.mark.parametrize("file", ["small.pth", "small_legacy.pth"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
def test_truncated_files(file, share, data, tmp_path):
    content = (data / file).read_bytes()
    path = tmp_path / "weights.pth"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="weights.pth is damaged"):
        read_tensors(path)


def test_compressed_files(torch, written):
    with pytest.raises(UserError, match="PyTorch does not compress"):
        read_tensors(written({"x": 1}, zipfile.ZIP_DEFLATED))


def test_a_name_that_stands_twice(written):
    path = written({"x": 1})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(match="Duplicate name"):
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(UserError, match="damaged.*two members of one name"):
        read_tensors(path)


@pytest.mark.parametrize("where", [slice(20, 24), slice(24, 28), slice(20, 28)])
def test_members_longer_than_the_file(where, written):
    path = written({"x": 1})
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\1\2")  # of the directory: sizes are at 20 and 24
    new = (2**31).to_bytes(4, "little") * ((where.stop - where.start) // 4)
    content[start + where.start : start + where.stop] = new
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged.*it declares more than it holds"):
        read_tensors(path)


DEEP = b")" + 300_000 * b"\x85"  # a tuple of a tuple of a tuple ...
TWICE = b")" + 60 * b"q\0h\0\x86"  # a tuple of one twice, of one twice ...
STORAGE = b"(X\7\0\0\0storage", b"X\1\0\0\0aX\3\0\0\0cpuK\1tQ."
BOMBS = {
    "deep key": b"}" + DEEP + b"K\1s.",
    "deep keys": b"}(" + DEEP + b"K\1u.",
    "deep key of a pair": b"ccollections\nOrderedDict\n]" + DEEP + b"N\x86a\x85R.",
    "deep type": DEEP.join(STORAGE),
    "deep list": 300_000 * b"]" + 299_999 * b"a" + b".",
    "twice as key": b"}" + TWICE + b"K\1s.",
    "twice as value": b"}K\1" + TWICE + b"s.",
    "copied": b"})" + 100 * b"2\x86" + b"K\1s.",
    "far memo": b"}r\0\0\0\x20.",
    "long text": b"X\xff\xff\xff\xff.",
    "longer text": b"\x8d\0\0\0\0\2\0\0\0.",
    "long number": b"\x8b\xff\xff\xff\x7f.",
    "long frame": b"\x95\0\0\0\0\2\0\0\0N.",
    "many": b"(" + 8_000_000 * b"}" + b"t.",
    "digits": b"I" + 5000 * b"9" + b"\n.",
    "text as function": b"ctorch\nFloatStorage\n)R.",
    "changed function": b"ccollections\nOrderedDict\n}b.",
    "changed list": b"]K\0K\1s.",
    "no value": b".",
    "no key": b"s.",
    "no mark": b"u.",
    "no memo": b"h\7.",
}
LIMITED = """
import resource, sys, time
from pathlib import Path
from methods.backbones.pth import read_tensors
from processing.errors import UserError
resource.setrlimit(resource.RLIMIT_AS, 2 * (2**30,))
for name in sys.argv[1:]:
    start = time.perf_counter()
    try:
        read_tensors(Path(name))
    except UserError as error:
        assert 0 < len(str(error)) < 300 and "\\n" not in str(error), error
        assert not str(error).endswith(": "), error
    else:
        raise AssertionError(name)
    assert time.perf_counter() - start < 10, name
    print(name)
"""


def test_pickles_that_are_to_crash_hang_or_fill_the_memory(tmp_path):
    head = [pickle.dumps(x, 2) for x in (MAGIC, 1001, {"little_endian": True})]
    paths = []
    for number, content in enumerate(BOMBS.values()):
        paths.append(tmp_path / f"{number}.pth")  # as each part of an old file, or new
        if number % 2:
            with zipfile.ZipFile(paths[-1], "w") as archive:
                archive.writestr("a/data.pkl", b"\x80\2" + content)
        else:
            paths[-1].write_bytes(b"".join(head) + b"\x80\2" + content)
    command = [sys.executable, "-c", LIMITED, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, list(BOMBS)[len(done.stdout.split())] + done.stderr


def test_flipped_bytes_never_do_worse_than_an_error(data, tmp_path, rng):
    path = tmp_path / "weights.pth"
    for file in ("small.pth", "small_legacy.pth"):
        content = bytearray((data / file).read_bytes())
        for place in rng.integers(0, len(content), 100):
            broken = content.copy()
            broken[place] = rng.integers(256)
            path.write_bytes(broken)
            try:
                for stored in read_tensors(path).values():
                    stored.read()
            except UserError:
                pass
