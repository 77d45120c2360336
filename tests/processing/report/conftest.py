"""Judged sets without a model, and a browser to look at their reports with."""

from types import SimpleNamespace

import numpy as np
import pytest

from processing.metrics.names import METRICS
from processing.report.gallery import ColourScale, Gallery

ABOUT = {
    "title": "mvtec / bottle",
    "method": "mvtecCAE, ssim",
    "run": "mvtec/bottle/mvtecCAE/ssim/01-01-2026_00-00-00",
    "score_threshold": 0.5,
    "of_labels": "python3 finetune.py -p saved_models/model.hdf5 --labels labels.csv",
    "promise": "at most 9.5% false alarms",
}
VERSIONS = {"python": "3.11.2", "keras": "3.15.0"}


def result_of(rows, **changes):
    """Return the test_result.json of rows; its metrics are made up."""
    counts = {
        name: sum((row["label"], row["verdict"]) == pair for row in rows)
        for name, pair in (
            ("true_positives", ("defective", "defective")),
            ("false_positives", ("good", "defective")),
            ("true_negatives", ("good", "good")),
            ("false_negatives", ("defective", "good")),
        )
    }
    metrics = {key: 0.9123456 - i / 20 for i, key in enumerate(METRICS)}
    metrics["pixel_auroc"] = None
    classes = {
        name: {
            "images": len(members),
            "called_defective": sum(r["verdict"] == "defective" for r in members),
            **({} if name == "good" else {"image_auroc": 0.9, "pixel_auroc": None}),
        }
        for name in dict.fromkeys(row["class"] for row in rows)
        if (members := [row for row in rows if row["class"] == name])
    }
    return {
        "min_area": 3,
        "threshold": 0.5,
        "clear_border": False,
        "decided_by": "finetuning images",
        "method": "ssim",
        "dtype": "float64",
        **metrics,
        "intervals_95": {"TPR": [0.5, 0.9], "image_auroc": [0.85, 0.96]},
        "undefined": {"pixel_auroc": "because no defective image has a mask"},
        "classes": classes,
        "confusion": counts,
        "images": len(rows),
        "finetuning_files_left_out": ["test/good/009.png"],
        "seed": 42,
        "model": "saved_models/model.hdf5",
        "versions": VERSIONS,
        **changes,
    }


CURVES = {
    "image_roc": np.array([[0, 0], [0, 0.75], [1 / 3, 0.75], [1 / 3, 1], [1, 1]]),
    "image_pr": np.array([[1, 0.5], [0.75, 0.9], [0, 1]]),
    "pro": np.array([[0, 0], [0.2, 0.5], [1, 1]]),
}


@pytest.fixture
def judged(tmp_path, rng):
    """Return a function that makes rows and pictures of images judged by hand.

    Each of `cases` is (file, class, label, verdict, score).
    """

    def make(cases, size=(32, 24), embedded=2**20):
        rows = [
            dict(zip(("file", "class", "label", "verdict", "score"), case, strict=True))
            | {"defect_area": 12 if case[3] == "defective" else 0}
            for case in cases
        ]
        source = rng.integers(0, 255, (*size, 3)).astype("uint8")
        scale = ColourScale.around(0.5, 0.1)
        folder = tmp_path / "report"
        with Gallery(folder, scale, embedded) as gallery:
            for row in rows:
                mask = np.zeros((16, 16), bool)
                mask[:4, :4] = row["verdict"] == "defective"
                truth = np.zeros(size, bool)
                truth[:9, :9] = row["label"] == "defective"
                gallery.add(source, mask + 0.4 * rng.random((16, 16)), mask, truth)
        return SimpleNamespace(
            folder=folder,
            rows=rows,
            result=result_of(rows),
            pictures=gallery.urls,
            scale=scale,
            curves=CURVES,
            about=ABOUT,
        )

    return make
