"""Whole records for tests that look at a part of one."""

import numpy as np

from methods.detector.records import Splits, TrainingRecord
from methods.detector.results import CONFUSION, FinetuningResult, Promise, TestResult
from processing.metrics.names import METRICS

RUN = "mvtec/bottle/{}/default/01-02-2026_00-00-00"

PROMISE = Promise(
    **{"good_images": 30, "false_alarms": 0, "false_alarm_bound": 0.0951},
    **{"defective_images": 9, "misses": 1, "miss_bound": 0.429},
    **{"asked": 0.01, "kept": False, "needed": 299},
)


def learned(method):
    """Return a method with the networks and the arrays of one that was fitted."""
    method.build()
    specs = method.array_specs()
    method.arrays = {name: np.ones(specs[name].shape, np.float32) for name in specs}
    return method


def training_record(method, **changes):
    """Return the record of a model of one category."""
    values = {
        "method": method,
        "config": {},
        "dataset": "mvtec",
        "category": "bottle",
        "folder": "/mvtec/bottle",
        "splits": Splits(fit=["train/good/0.png"], validation=["train/good/1.png"]),
        "run": RUN.format(method),
    }
    return TrainingRecord(**values | changes)


def finetuning_result(**changes):
    """Return a decision on ssim maps that a search found."""
    values = {
        "min_area": 2,
        "threshold": 0.5,
        "kind": "ssim",
        "dtype": "float64",
        "split": 0.1,
        "seed": 42,
        "clear_border": False,
        "good_level": 0.25,
        "score": 0.875,
        "source": "finetuning images",
        "TPR": 0.75,
        "TNR": 1.0,
        "margin": 0.1,
        "score_interval": (0.5, 1.0),
        "validation_files": ["train/good/1.png"],
        "finetuning_files": ["test/good/0.png"],
        "model": "model.hdf5",
        "options": {},
    }
    return FinetuningResult(**values | changes)


def result_of_test(**changes):
    """Return the result of a test by the decision of `finetuning_result`."""
    values = {
        **{"min_area": 2, "threshold": 0.5, "clear_border": False},
        **{"decided_by": "finetuning images", "kind": "ssim", "dtype": "float64"},
        **dict.fromkeys(METRICS),
        **{"confusion": dict.fromkeys(CONFUSION, 1), "intervals_95": {}},
        **{"undefined": {}, "classes": {"good": {"images": 3, "called_defective": 0}}},
        **{"images": 3, "finetuning_files": ["test/good/0.png"], "seed": 42},
        **{"model": "model.hdf5", "options": {}},
    }
    return TestResult(**values | changes)
