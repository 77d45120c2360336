"""The settings of DDAD's original, config.yaml, as options of `train.py`."""

import math
from collections.abc import Mapping
from typing import Any

from processing.errors import UsageError, shortened

# By key of `data` and `model`, in DDAD and its line-clearance fork.
OPTIONS = {
    "image_size": "size",
    "batch_size": "batch",
    "feature_extractor": "backbone",
    "learning_rate": "lr",
    "epochs": "epochs",
    "test_trajectoy_steps": "start",
    "test_trajectory_steps": "start",
    "eta": "eta",
    "w": "w",
    "w_DA": "w-adapt",
    "v": "pixel-weight",
    "DA_epochs": "adapt",
    "DA_learning_rate": "adapt-rate",
    "DLlambda": "adapt-keep",
    "schedule": "schedule",
    "seed": "seed",
}
STEPS = ("test_trajectoy_steps", "test_trajectory_steps")  # of which one is there
# What has one value here, which the file has to share.
FIXED = {"trajectory_steps": 1000, "beta_start": 1e-4, "beta_end": 0.02}
# What does not change a result here, or belongs to `finetune.py` and `test.py`. The
# original does not read `skip_DA` and `test_trajectoy_steps_DA` either; its
# `weight_decay` is next to nothing beside a mean (see `training.compile_denoiser`).
UNUSED = {
    *("name", "data_dir", "category", "skip", "DDADS", "manual_seed", "device"),
    *("DA_batch_size", "test_batch_size", "mask", "input_channel", "imput_channel"),
    *("checkpoint_dir", "checkpoint_name", "exp_name", "load_chp", "DA_chp"),
    *("weight_decay", "skip_DA", "test_trajectoy_steps_DA", "save_model"),
    *("num_workers", "threshold_type", "consistency_decoder"),
}


def options(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config file's options by long name; others than DDAD's as they are.

    Args:
        content: what the YAML file holds; the original's has the sections `data` and
            `model`.

    Raises:
        UsageError: a setting that is unknown, or that cannot be had here.
    """
    if not all(isinstance(content.get(key), Mapping) for key in ("data", "model")):
        return content
    given = {**content["data"], **content["model"]}
    for key in ("skip", *STEPS, *FIXED):
        value = given.get(key, 1)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise UsageError(
                f"{key}: expected a number above 0. Received: {shortened(str(value))}"
            )
    for key, value in FIXED.items():
        if float(given.get(key, value)) != value:
            raise UsageError(f"{key} is {value} here. Received: {given[key]}")
    unknown = given.keys() - OPTIONS.keys() - FIXED.keys() - UNUSED
    if unknown:
        names = shortened(str(sorted(unknown, key=str)))
        raise UsageError(f"settings of DDAD without a counterpart: {names}")
    translated = {OPTIONS[key]: given[key] for key in given if key in OPTIONS}
    translated |= {"architecture": "DDAD", "preset": _preset(given), **_steps(given)}
    if given.keys() >= {"data_dir", "category"}:
        translated["input-dir"] = f"{given['data_dir']}/{given['category']}"
    return translated


def _preset(given: Mapping[str, Any]) -> str:
    return "ddad-s" if given.get("DDADS") else "ddad"


def _steps(given: Mapping[str, Any]) -> dict[str, int]:
    """Return the calls of the network: DDAD-n has n = start / skip."""
    start = next((given[key] for key in STEPS if key in given), 250)
    return {"steps": max(1, start // given["skip"])} if "skip" in given else {}
