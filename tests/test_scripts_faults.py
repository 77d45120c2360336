"""Scripts that `kill -9` ends at random moments: what was finished is never lost."""

import contextlib
import csv
import io
import json
import multiprocessing
import random
import signal
import time

import cv2
import h5py
import numpy as np
import pytest

from processing.samples import write_samples
from tests import killable_script

PRELOADED = ["methods.pipeline.finetuning", "methods.pipeline.testing", "numba"]
PRELOADED += ["processing.report.plots", "tensorboard.summary"]
TRAIN = ["--size", "32", "--epochs", "2", "--lr", "0.001", "--precision", "float32"]
TRAIN += ["-a", "ae", "--latent", "4", "-b", "32"]


class Killer:
    """Runs scripts that work in `folder`, and kills them at moments that it draws."""

    def __init__(self, folder):
        self.folder = folder
        self.draw = random.Random(0)
        self.kills = 0
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([killable_script.__name__, *PRELOADED])

    def run(self, script, *arguments, within=0):
        """Run a script; return how many changes it told of.

        It is killed up to 50 ms after one of the first `within` changes. If it is over
        before, so be it.
        """
        moment = self.draw.randint(1, within) if within else None
        reading, writing = self.context.Pipe(duplex=False)
        command = (writing, str(self.folder), script, [*map(str, arguments)])
        process = self.context.Process(target=killable_script.main, args=command)
        process.start()
        writing.close()
        count = 0
        with contextlib.suppress(EOFError):
            while reading.recv_bytes():
                count += 1
                if count == moment:
                    time.sleep(self.draw.random() / 20)
                    process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        self.kills += process.exitcode != 0
        for path in self.folder.rglob("*"):
            if path.is_file() and not path.name.startswith((".", "events.out")):
                check(path)
        return count


def check(path):
    """Read a file that is not hidden, as those are that may be half-written."""
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
        assert {len(row) for row in rows} == {len(rows[0])}, path
    elif path.suffix in (".hdf5", ".h5"):
        with h5py.File(path) as file:
            file.visititems(lambda _, x: x[()] if isinstance(x, h5py.Dataset) else None)
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            assert all(arrays[name].size for name in arrays)
    elif path.suffix == ".html":
        assert path.read_text().rstrip().endswith("</html>"), path
    elif path.suffix == ".png":
        assert cv2.imread(str(path)) is not None, path
    else:
        assert path.suffix == ".txt", path


@pytest.fixture
def killer(tmp_path):
    return Killer(tmp_path / "work")


@pytest.fixture(scope="module")
def category(tmp_path_factory):
    """Return a small category of its own, for the files to be few."""
    root = tmp_path_factory.mktemp("drawn") / "parts"
    numbers = {"train": 8, "good": 4, "defects": 2, "size": 32}
    [folder] = write_samples(root, categories=("washer",), **numbers)
    return folder


def one(folder, pattern):
    """Return the only file of that name below a folder."""
    [path] = folder.rglob(pattern)
    return path


def contents(folder):
    """Return the files below a folder, and what the tables in them hold.

    Each start of finetune.py makes another decision, whose name is a column.
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        path.relative_to(folder): path.suffix == ".csv" and rows(path)
        for path in files
        if not path.name.startswith(".")
    }


def rows(path):
    """Return the rows of a table without the name of the decision."""
    table = csv.DictReader(io.StringIO(path.read_text(), newline=""))
    return [{key: row[key] for key in row if key != "decision"} for row in table]


@pytest.mark.slow
@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.nightly)])
def test_killed_at_any_moment(kills, killer, category):
    """Kills of trainings, and half as many each of finetune.py and test.py."""
    begin = ["train", "-d", category, *TRAIN, "--models"]
    whole = killer.folder / "whole"
    changes = killer.run(*begin, whole)
    model = one(whole, "*.hdf5")
    histories = [(model.parent / "history.csv").read_text()]
    number = 0
    while killer.kills < kills:
        models = killer.folder / f"models_{number}"
        number += 1
        command = [*begin, models]
        while not list(models.rglob("info.json")):
            killer.run(*command, within=changes if killer.kills < kills else 0)
            begun = [path.parent for path in models.rglob("preparation.h5")]
            command = ["train", "--resume", *begun] if begun else command
        run = one(models, "info.json").parent
        histories.append((run / "history.csv").read_text())
        assert one(models, "*.hdf5").parent == run
    losses = [
        [float(row["val_loss"]) for row in csv.DictReader(io.StringIO(history))]
        for history in histories
    ]
    np.testing.assert_allclose(losses, [losses[0]] * len(losses), rtol=1e-3)

    for script, options in (("finetune", []), ("test", ["-s"])):
        command = [script, "-p", model, *options, "--results"]
        changes = killer.run(*command, killer.folder / "results")
        before = killer.kills
        while killer.kills < before + kills // 2:
            killer.run(*command, killer.folder / "killed", within=changes)
        killer.run(*command, killer.folder / "killed")
        expected = contents(killer.folder / "results")
        assert contents(killer.folder / "killed") == expected
    assert killer.kills == 2 * kills
