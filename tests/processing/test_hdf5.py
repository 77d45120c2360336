"""Files that point elsewhere, or that declare more than they hold."""

import h5py
import numpy as np
import pytest

from processing.hdf5 import ArraySpec, check_arrays, check_hdf5

SECRET = np.arange(64, dtype=np.float32)


@pytest.fixture
def checked(tmp_path):
    """Return a function that checks a file in which a function put something."""
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = SECRET
    (tmp_path / "secret.bin").write_bytes(SECRET.tobytes())

    def check(change):
        path = tmp_path / "made.h5"
        with h5py.File(path, "w") as file:
            file["group/inner/array"] = SECRET
            change(file)
        with h5py.File(path) as file:
            check_hdf5(file, path.stat().st_size)

    return check


def virtual(file):
    layout = h5py.VirtualLayout((64,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (64,))
    file.create_virtual_dataset("group/x", layout)


def turned(file):
    file["group/inner/again"] = file["group"]


def deep(file):
    for _ in range(40):
        file = file.create_group("g")


def made(shape=(64,), dtype="f4", **how):
    return lambda file: file.create_dataset("x", shape, dtype, **how)


def links(file):
    file["x"] = np.ones(2**20, np.float32)
    for i in range(50):
        file[f"x{i}"] = file["x"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.update(x=h5py.ExternalLink("other.h5", "secret")), "link"),
        (lambda file: file.update(x=h5py.SoftLink("/group")), "/x is a link"),
        (made(external=[("secret.bin", 0, 256)]), "/x lies in another file"),
        (virtual, "/group/x lies in another file"),
        (lambda file: file.update(x=np.dtype("f4")), "neither a group nor an array"),
        (turned, "/group/inner/again is a group within too many others"),
        (deep, "is a group within too many others"),
        (lambda file: file.update(x="text"), "/x holds object. Expected numbers"),
        (made(dtype="S4"), r"/x holds \|S4. Expected numbers"),
        (lambda file: file.update(x=h5py.Empty("f4")), "Expected numbers"),
        (made(dtype=h5py.ref_dtype), "Expected numbers"),
        (made(dtype=h5py.vlen_dtype("f4")), "Expected numbers"),
        (made(dtype=[("a", "f4")]), "Expected numbers"),
        (made(dtype=("f4", (2,))), "Expected numbers"),
        (made(dtype="c8"), "Expected numbers"),
        (made(dtype="f16"), "Expected numbers"),
        (made(shape=(10**5, 10**5)), "declares 40000000000 bytes, but holds less"),
        (made(shape=(64,)), "/x declares 256 bytes, but holds less"),
        (made(shape=(10**9,), chunks=(64,)), "declares 4000000000 bytes, but"),
        (made(shape=(10**9,), chunks=(2**20,), compression="gzip"), "take 4001"),
        (made(compression="lzf"), "compressed by other means than gzip"),
        (made(2**23, data=np.zeros(2**23), compression="gzip"), "take 33554688 bytes"),
        (links, "its arrays take .* bytes, the whole file"),
    ],
)
def test_what_save_model_does_not_write(change, message, checked):
    with pytest.raises(ValueError, match=message):
        checked(change)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.update(x=file["group/inner/array"]),  # by two names
        lambda file: file.update(x=np.ones((3, 4), bool), y=np.uint8(3)),
        lambda file: file.update(x=np.zeros((0, 3)), y=np.float16(3)),
        made(data=SECRET, compression="gzip", shuffle=True, fletcher32=True),
        made(data=SECRET, chunks=(10,), maxshape=(None,)),
    ],
)
def test_what_save_model_and_keras_write(change, checked):
    checked(change)


SPECS = {
    "n": ArraySpec(kind="iu", least=1),
    "x": ArraySpec((None, 3)),
    "later": ArraySpec((2,), "b", optional=True),
}
RIGHT = {"n": np.array(3), "x": np.zeros((5, 3), np.float32)}


@pytest.mark.parametrize("more", [{}, {"later": np.ones(2, bool)}])
def test_arrays_as_they_are_expected(more):
    check_arrays("/arrays", RIGHT | more, SPECS)
    check_arrays("/arrays", {**RIGHT, "x": np.ones((0, 3))}, SPECS)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": RIGHT["x"]}, "it lacks /arrays/n$"),
        ({**RIGHT, "y\n": RIGHT["n"]}, r"/arrays holds 'y\\n', which is unknown$"),
        ({**RIGHT, "n": np.array(3.0)}, r"/n: expected whole numbers \(\).*: float64 "),
        ({**RIGHT, "n": np.array(-5)}, "/arrays/n: expected at least 1. Received: -5"),
        ({**RIGHT, "x": np.ones((5, 4))}, r"/x: expected floats \(any, 3\).*\(5, 4\)$"),
        ({**RIGHT, "x": np.ones(3)}, r"/arrays/x: expected floats .*\(3,\)$"),
        ({**RIGHT, "x": np.ones((5, 3), int)}, "/arrays/x: expected floats .*: int64 "),
        ({**RIGHT, "later": np.ones(3, bool)}, "/arrays/later: expected booleans"),
        *(
            ({**RIGHT, "x": np.array([[0, x, 1]])}, "/arrays/x holds .* not finite$")
            for x in (np.nan, np.inf, -np.inf, 1e39)
        ),
    ],
)
def test_arrays_that_are_others(arrays, message):
    with pytest.raises(ValueError, match=message):
        check_arrays("/arrays", arrays, SPECS)
