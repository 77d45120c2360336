"""Compare a backbone with what PyTorch's network gave, see make_references.py."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from methods.backbones import build, levels
from methods.backbones.pth import Stored
from methods.backbones.weights import load, put

MADE = runpy.run_path(str(Path(__file__).with_name("make_references.py")))


@pytest.fixture(scope="session")
def data():
    return MADE["DATA"]


def stored(reference):
    """Return the seeded tensors of a reference as if they were in a file."""

    def tensor(name, shape):
        return Stored(shape, lambda: MADE["seeded"](name, shape))

    shapes = [tuple(map(int, text.split())) for text in reference["shapes"]]
    names = map(str, reference["names"])
    return {name: tensor(name, s) for name, s in zip(names, shapes, strict=True)}


@pytest.fixture
def errors(data, eager):
    """Return a function: of each level, the greatest error as a share of the rms."""

    def compare(file, name, weights=None):
        reference = np.load(data / f"{file}.npz")
        sides = reference["sides"]
        model = build(name, (*sides, 3), [level.name for level in levels(name)])
        if weights is None:
            put(model, name, stored(reference), file)
        else:
            load(model, name, weights)
        maps = model.predict_on_batch(MADE["images"](*sides))
        return [
            np.abs(m.ravel()[MADE["places"](m.size)] - reference[f"values{i}"]).max()
            / reference[f"rms{i}"]
            for i, m in enumerate(maps)
        ]

    return compare
