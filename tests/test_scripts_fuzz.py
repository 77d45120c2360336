"""Random options, folders and file contents: one clear line, and nothing half-written.

`FUZZ_CASES=200 pytest tests/test_scripts_fuzz.py` draws some 1,000 new cases, and
`make test-all` some 300. Without it they are few, and the same each time.
"""

import contextlib
import gzip
import io
import json
import os
import shutil
import signal
import struct
import tempfile
import warnings
import zlib
from pathlib import Path

import cv2
import h5py
import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import finetune
import test as script
import train
from methods.pipeline.judging import NOT_JUDGED, written_name
from processing.decoding.decode import IMAGE_LIKE, SUFFIXES
from processing.files import read_table
from processing.samples import write_samples

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks", "few_layers")
CASES = os.environ.get("FUZZ_CASES")
FUZZ = settings(
    max_examples=int(CASES or 8),
    deadline=None,
    derandomize=not CASES,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SLOW = settings(FUZZ, max_examples=max(FUZZ.max_examples // 3, 1))  # of whole runs
LIMIT = 120  # seconds of a case: more is a hang
TRAIN = ["--size", "32", "--epochs", "1", "--precision", "float32", "--lr", "0.001"]
TRAIN += ["-a", "ae", "--latent", "4"]


def image(dtype=np.uint8, shape=(32, 32, 3), suffix=".png"):
    """Return the bytes of an image file of noise."""
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype)
    return cv2.imencode(suffix, pixels)[1].tobytes()


def mask(value, dtype=np.uint8):
    """Return the bytes of a mask whose diagonal has a value."""
    return cv2.imencode(".png", value * np.eye(32, dtype=dtype))[1].tobytes()


def pillow(pixels, kind, **options):
    """Return the bytes of an image that Pillow writes."""
    file = io.BytesIO()
    picture = Image.fromarray(pixels)
    if "palette" in options:
        picture.putpalette(options.pop("palette"))
    picture.save(file, kind, **options)
    return file.getvalue()


def png(width, height, stream):
    """Return a PNG file of 8-bit grey, with right checksums, whatever its stream."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", stream), (b"IEND", b""))
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def volume(value):
    """Return the bytes of a compressed volume of three slices with an odd voxel."""
    voxels = np.random.default_rng(0).random((16, 16, 3), np.float32)
    voxels[3, 3, 1] = value
    return gzip.compress(nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes())


JPEG = image(suffix=".jpg")
EYE = np.eye(32, dtype=np.uint8)
CONTENTS = {
    "png": image(),
    "grey": image(shape=(20, 40)),
    "alpha": image(shape=(32, 32, 4)),
    "16 bits": image(np.uint16),
    "jpeg": JPEG,
    "film behind a jpeg": JPEG + b"ftyp" + bytes(300),
    "cut jpeg, whole jpeg": JPEG[:-300] + JPEG,
    "cut jpeg with an end": JPEG[:-300] + b"\xff\xd9",
    "gif": pillow(EYE, "GIF"),
    "tiff": image(suffix=".tif"),
    "one pixel": image(shape=(1, 1)),
    "a line": image(shape=(1, 300)),
    "black": cv2.imencode(".png", np.zeros((32, 32), np.uint8))[1].tobytes(),
    "mask": mask(255),
    "mask of ones": mask(1),
    "mask of twos": mask(2),
    "mask of 16 bits": mask(255, np.uint16),
    "mask with a palette": pillow(EYE, "PNG", palette=[0, 0, 0, 30, 0, 0]),
    "mask with alpha": pillow(np.dstack([EYE] * 3 + [255 + 0 * EYE]), "PNG"),
    "noise in a mask": pillow(2 * EYE, "JPEG"),
    "poison": png(32, 32, zlib.compress(bytes(40)) + b"?"),
    "23,000 pixels wide": png(23000, 23000, zlib.compress(bytes(9))),
    "nan": volume(np.nan),
    "infinite": volume(np.inf),
    "cut volume": volume(1)[:-20],
    "truncated": image()[:-400],
    "cut in the header": image()[:20],
    "flipped": image()[:900] + b"\xff" * 9 + image()[909:],
    "empty": b"",
    "text": b"no image at all\n",
    "zeros": bytes(500),
}
NAMES = ["0.png", "1.png", "2.PNG", "3.jpg", "4.tif", "5.bmp", "ü ñ.png", "7_mask.png"]
NAMES += ["0_mask.png", "1_mask.png", "notes.txt", ".hidden.png", "a b.webp"]
NAMES += [
    "[/red].png",
    "$\\frac$.png",
    "=1+1.png",
    "a\nb.png",
    os.fsdecode(b"\xe9.png"),
]
NAMES += ["x" * 240 + ".png", "8.JFIF", "9.gif", "10.heic", "v.nii.gz", "0_GT.png"]
FOLDERS = ["train/good", "train/scratch", "test/good", "test/scratch", "test/bad one"]
FOLDERS += ["ground_truth/scratch", "ground_truth/bad one", "test", "train", "."]
FOLDERS += ["train/good/a/b", "validation/good", "test/Good", "ground_truth/scratch/0"]
OTHERS = [  # of other layouts
    ["good", "bad", "Dent", "masks/bad", "good/1"],
    ["OK/S1", "OK/S2", "NG/dent/S1", "NG/dent/S3", "OK"],
    ["Data/Images/Normal", "Data/Images/Anomaly", "Data/Masks/Anomaly"],
    ["kos01", "kos02", "kos03", "train", "test"],
    ["train/OK", "test/ok", "test/ko", "Ground_Truth/ko", "__MACOSX"],
]
WORDS = ["", " ", "0", "1", "-1", "2", "7", "64", "1e9", "nan", "inf", "-inf", "0.5"]
WORDS += ["x", "32x", "32x64", "0,9", "9,0", ",", "0,0,9,9", "foreground", "ssim", "l2"]
WORDS += ["é", "rgb", "random", "imagenet", "no/such/file", ".", "orb", "layer2", "%s"]


def hang(*_):
    """End a case that takes too long, in a way that no script expects."""
    raise AssertionError("a hang")


def called(main, *arguments):
    """Run a script; check how it ends, and return its exit code and the last line."""
    errors = io.StringIO()
    with (
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        signal.signal(signal.SIGALRM, hang)
        signal.alarm(LIMIT)
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # of argparse
            code = stop.code
        finally:
            signal.alarm(0)
    lines = errors.getvalue().strip().split("\n")
    last = lines[-1] if lines else ""
    context = f"{[*map(str, arguments)]} -> {code}: {errors.getvalue()}"
    assert code in (0, 1, 2), context
    assert "--debug shows where" not in last, context  # an error nobody thought of
    assert "Traceback" not in errors.getvalue(), context
    if code:
        assert "error: " in last, context
    return code, last


def left_behind(folder):
    """Return the files that are half-written."""
    hidden = [path for path in folder.rglob(".*") if path.name != ".hidden.png"]
    return [path for path in hidden if not path.name.endswith(".lock")]


@contextlib.contextmanager
def scratch():
    """Work in a new folder, which is removed."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


def options_of(main):
    """Return the long options of a script, of which some take a value."""
    from importlib import import_module

    parser = import_module(main.__module__).build_parser()
    skipped = ("--help", "--debug", "--config", "--watch")
    return [
        (action.option_strings[-1], action.nargs != 0)
        for action in parser._actions
        if action.option_strings[-1] not in skipped
    ]


def arguments_of(main):
    """Draw up to four options of a script, with values that may be nonsense."""
    option = st.sampled_from(options_of(main))
    values = st.one_of(st.sampled_from(WORDS), st.text(max_size=5), st.integers(-3, 99))
    pairs = st.lists(st.tuples(option, values), max_size=4)
    return pairs.map(
        lambda drawn: [
            f"{name}={value}".replace("\0", "") if takes else name
            for (name, takes), value in drawn
        ]
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a folder with data, a model, its decision and its results."""
    folder = tmp_path_factory.mktemp("finished")
    numbers = {"train": 12, "good": 4, "defects": 1, "size": 32}
    write_samples(folder / "data", categories=("washer",), **numbers)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
        assert train.main(["-d", "data/washer", *TRAIN]) == 0
        [model] = folder.rglob("*.hdf5")
        model.rename(folder / "model.hdf5")
        assert finetune.main(["-p", "model.hdf5"]) == 0
        assert script.main(["-p", "model.hdf5"]) == 0
    return folder


@FUZZ
@given(
    method=st.sampled_from(["fewshot", "padim", "ae", "cnn", "mvteccae", "anogan"]),
    arguments=arguments_of(train.main),
)
def test_options_of_training(finished, method, arguments):
    with scratch() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "methods.pipeline.training.train_run", lambda *_, **__: Path("model.hdf5")
        )
        where = ["-d", finished / "data/washer", "--models", "models"]
        called(train.main, "-a", method, *arguments, *where)
        assert not left_behind(folder)


@FUZZ
@given(arguments=arguments_of(finetune.main))
def test_options_of_finetuning(finished, arguments):
    with scratch() as folder:
        where = ["-p", finished / "model.hdf5", "--results", "results"]
        called(finetune.main, *arguments, *where)
        assert not left_behind(folder)


@FUZZ
@given(arguments=arguments_of(script.main))
def test_options_of_testing(finished, arguments):
    with scratch() as folder:
        shutil.copytree(finished / "results", "results")
        where = ["-p", finished / "model.hdf5", "--results", "results"]
        called(script.main, *arguments, *where, "--models", "models")
        assert not left_behind(folder)


def files_in(folders):
    """Draw files with whatever content in some of the folders."""
    return st.dictionaries(
        st.tuples(st.sampled_from(folders), st.sampled_from(NAMES)),
        st.sampled_from(sorted(CONTENTS)),
        max_size=10,
    )


def image_files(folder):
    """Return the names of all files in a folder that look like images."""
    return {
        written_name(path.relative_to(folder).as_posix())
        for path in folder.rglob("*")
        if path.name.lower().endswith((*SUFFIXES, *IMAGE_LIKE))
        and not any(part.startswith((".", "__")) for part in path.parts[-4:])
    }


def check_none_is_lost(folder, run):
    """Compare the images in a folder with what a run judged and what it did not."""
    [scores] = Path("results").rglob(f"{run}/predict/*/scores.csv")
    names = set()
    for table in (scores, scores.with_name(NOT_JUDGED)):
        if table.exists():
            rows = read_table(table.read_bytes().decode())
            names |= {row["file"].partition("#")[0] for row in rows}
    assert names == image_files(folder)


@SLOW
@given(
    drawn=st.sampled_from([FOLDERS, *OTHERS]).flatmap(
        lambda folders: st.tuples(st.just(folders), files_in(folders))
    ),
    sound=st.integers(0, 6),
    skip=st.booleans(),
)
def test_folders(drawn, sound, skip):
    """Whatever the folder holds, a message names it, or all three scripts end well."""
    folders, files = drawn
    with scratch() as folder:
        for (where, name), content in files.items():
            path = folder / "parts/nut" / where / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENTS[content])
        for index in range(sound):
            path = folder / "parts/nut" / folders[0] / f"sound{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENTS["png"])
        extra = ["--skip-unreadable"] if skip else []
        quick = ["-a", "padim", "--features=2", "--size=32", "--weights=random"]
        quick += ["--levels=stage2"]
        code, _ = called(train.main, "-d", "parts/nut", *quick, *extra)
        models = list(folder.rglob("*.hdf5"))
        assert models or code  # several of a data set, of which some may fail
        for model in models:
            code, _ = called(finetune.main, "-p", model, *extra)
            if code:
                continue
            called(script.main, "-p", model, "-s", *extra)
            code, _ = called(script.main, "-p", model, "-d", "parts/nut", *extra)
            if code == 0:
                check_none_is_lost(folder / "parts/nut", model.parent.name)
        assert not left_behind(folder)


def damaged(data, how, place):
    """Return the content of a file after an accident at a place in [0, 1]."""
    at = int(place * len(data))
    if how == "cut":
        return data[:at]
    if how == "zeros":
        return data[:at] + bytes(len(data) - at)
    if how == "flipped":
        return data[:at] + bytes(x ^ 255 for x in data[at : at + 4]) + data[at + 4 :]
    return b"" if how == "empty" else b'{"a": [1, null]}\n'


@SLOW
@given(
    kind=st.sampled_from(["*.hdf5", "finetuning_result.json", "test_result.json"]),
    how=st.sampled_from(["cut", "zeros", "flipped", "empty", "other"]),
    place=st.floats(0, 1),
)
def test_damaged_files(finished, kind, how, place):
    with scratch() as folder:
        shutil.copy(finished / "model.hdf5", "model.hdf5")
        shutil.copytree(finished / "results", "results")
        for path in folder.rglob(kind):
            path.write_bytes(damaged(path.read_bytes(), how, place))
        for main in (script.main, finetune.main):
            called(main, "-p", "model.hdf5", "-d", finished / "data/washer")
        (folder / "models").mkdir()
        (folder / "model.hdf5").rename(folder / "models/model.hdf5")
        called(script.main, "-p", "models")
        assert not left_behind(folder)


def linked(file, name):
    file[name] = h5py.SoftLink("/record")


def outside(file, name):
    file[name] = h5py.ExternalLink("/etc/passwd", "/")


def never_written(file, name):
    file.create_dataset(name, (10**9,), "f8", chunks=(10**6,))


def external(file, name):
    file.create_dataset(name, (9,), "u1", external=[("/etc/passwd", 0, 9)])


def virtual(file, name):
    layout = h5py.VirtualLayout((9,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (9,))
    file.create_virtual_dataset(name, layout)


def text(file, name):
    file.create_dataset(name, data="text")


HOSTILE = [linked, outside, never_written, external, virtual, text]
VALUES = ["../../x", "/tmp/x", "", "a\0b", -1, 10**30, 1e400, None, [], {}, [[]] * 99]


@SLOW
@given(
    change=st.sampled_from(HOSTILE),
    place=st.integers(0, 99),
    key=st.integers(0, 99),
    value=st.sampled_from(VALUES),
)
def test_hostile_model_files(finished, change, place, key, value):
    """An array or a setting of a model file is another thing than it seems to be."""
    with scratch() as folder:
        shutil.copytree(finished / "results", "results")
        for name in ("array.hdf5", "record.hdf5"):
            shutil.copy(finished / "model.hdf5", name)
        with h5py.File("array.hdf5", "a") as file:
            names: list[str] = []
            file.visit(names.append)
            array = names[place % len(names)]
            del file[array]
            change(file, array)
        with h5py.File("record.hdf5", "a") as file:
            record = json.loads(file.attrs["record"])
            record[sorted(record)[key % len(record)]] = value
            file.attrs["record"] = json.dumps(record)
        for name in ("array.hdf5", "record.hdf5"):
            called(script.main, "-p", name, "-d", finished / "data/washer/test/good")
        assert {path.name for path in folder.iterdir()} <= {
            *("results", "array.hdf5", "record.hdf5"),
        }
        assert not left_behind(folder)


CONFIG = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner)
    ),
    max_leaves=4,
)


@FUZZ
@given(
    content=st.dictionaries(
        st.sampled_from(["size", "epochs", "PaDiM", "loss", "mask"])
        | st.text(max_size=6),
        CONFIG,
        max_size=3,
    )
)
def test_config_files(finished, content):
    with scratch() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "methods.pipeline.training.train_run", lambda *_, **__: Path("model.hdf5")
        )
        (folder / "all.yaml").write_text(json.dumps(content))
        where = ["-d", finished / "data/washer", "-a", "padim", "--weights", "random"]
        called(train.main, "--config", "all.yaml", *where)
