"""Every method behind one interface, found by name."""

import difflib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from processing.errors import UsageError

if TYPE_CHECKING:
    from methods.detector.predictor import Predictor

    from .base import Method

METHODS = {
    "mvtecCAE": "methods.cae.cae.CAE",
    "paperCAE": "methods.cae.cae.CAE",
    "baselineCAE": "methods.cae.cae.CAE",
    "inceptionCAE": "methods.cae.cae.CAE",
    "resnetCAE": "methods.cae.cae.CAE",
    "skipCAE": "methods.cae.cae.CAE",
    "AE": "methods.cae.cae.AE",
    "CNN": "methods.cnn.cnn.CNN",
    "AnoGAN": "methods.anogan.anogan.AnoGAN",
    "PaDiM": "methods.padim.padim.PaDiM",
    "contrastive": "methods.contrastive.contrastive.Contrastive",
    "fewshot": "methods.fewshot.fewshot.FewShot",
    "unified": "methods.fewshot.unified.Unified",
    "PatchCore": "methods.patchcore.patchcore.PatchCore",
    "DDAD": "methods.diffusion.ddad.DDAD",
    "AnoDDPM": "methods.diffusion.anoddpm.AnoDDPM",
}
SEVERAL = ("unified",)  # learn all categories of a data set in one model


def canonical_name(name: str) -> str:
    """Return the registered spelling of `name`, whatever its case.

    Raises `UsageError` with the nearest and all known names for an unknown one.
    """
    known = {key.lower(): key for key in METHODS}
    if name.lower() in known:
        return known[name.lower()]
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {known[near[0]]}? " if near else ""
    raise UsageError(
        f"unknown method {name!r}: {hint}expected one of {', '.join(sorted(METHODS))}"
    )


def get(name: str) -> "type[Method]":
    """Import and return the class behind a method's name."""
    module, _, attribute = METHODS[canonical_name(name)].rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def load(
    path: Path | str,
    *,
    results: Path | str = "results",
    kind: str | None = None,
    dtype: str | None = None,
    category: str | None = None,
) -> "Predictor":
    """Return a trained and finetuned model, to judge images with.

    Args:
        path: the model file that `train.py` wrote.
        results: where `finetune.py` put its decision, of which the newest counts.
        kind: only a decision on these maps, such as "ssim".
        dtype: only a decision on maps of this type, "float64" or "uint8".
        category: the name of the one to judge, for a model of several.

    Raises:
        UserError: no such file, or no such decision.
    """
    from methods.engine.backend import load_backend

    load_backend()
    from methods.detector.predictor import Predictor

    return Predictor.load(Path(path), Path(results), kind, dtype, category)
