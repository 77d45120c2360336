"""Fit and score PaDiM beside anomalib's, with the same weights and images.

Run from the repository root: python -m benchmarks.padim mvtec/bottle. anomalib may be
in another environment: --peer-python FOLDER/bin/python. Each side works in a process
of its own. anomalib's side is its `PadimModel` alone, without Lightning around it.
resnet18 and wide_resnet50_2 get the random weights of timm with seed 0 on both sides,
efficientnet_lite0 its ImageNet weights.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.padim_side import Arguments
from processing.metrics.image_metrics import image_metrics
from processing.metrics.pixel_metrics import PixelMetrics

COLUMNS = {
    "fit_seconds": ("fit, s", "{:.1f}"),
    "images_per_second": ("scored, images/s", "{:.1f}"),
    "seconds": ("fit + score, s", "{:.1f}"),
    "cpu_seconds": ("processor, s", "{:.1f}"),
    "start_gb": ("memory at the start, GB", "{:.2f}"),
    "peak_gb": ("peak memory, GB", "{:.2f}"),
    "image_auroc": ("image AUROC", "{:.4f}"),
    "pixel_auroc": ("pixel AUROC", "{:.4f}"),
    "aupro": ("AUPRO", "{:.4f}"),
}
SIDES = {"ours": "benchmarks.padim_ours", "anomalib": "benchmarks.padim_anomalib"}


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table of both sides, or of ours where anomalib is not to be had."""
    options = parse_arguments(argv)
    pythons = {"ours": sys.executable, "anomalib": options.peer_python}
    if options.peer_python is None or options.only == "ours":
        del pythons["anomalib"]
    if options.only == "anomalib":
        del pythons["ours"]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        weights = make_weights(options, Path(folder) / "weights.pth")
        keep = (options.keep or Path(folder)).absolute()
        keep.mkdir(parents=True, exist_ok=True)
        numbers = (str(options.features), str(options.size), str(options.limit or 0))
        words = [str(options.category), options.backbone, weights, *numbers, str(keep)]
        for side, python in pythons.items():
            results[side] = measure_side(python, SIDES[side], words)
            if "error" not in results[side]:
                results[side] |= merit(Arguments.parse(words), side)
    print_table(results)
    return 0


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("category", type=Path, help="folder in the layout of MVTec AD")
    names = ("resnet18", "wide_resnet50_2", "efficientnet_lite0")
    add("--backbone", choices=names, default="resnet18")
    add("--features", type=int, default=100, help="channels kept")
    add("--size", type=int, default=256, help="side of the images in pixels")
    add("--limit", type=int, help="images to fit at most")
    add("--peer-python", help="interpreter that has anomalib")
    add("--only", choices=tuple(SIDES), help="leave the other side out")
    add("--keep", type=Path, help="folder to write the maps of both sides to")
    return parser.parse_args(argv)


def make_weights(options: argparse.Namespace, path: Path) -> str:
    """Return what to pass as weights: a file of timm's, "imagenet" or "random"."""
    if options.backbone == "efficientnet_lite0":
        return "imagenet"
    if options.peer_python is None:
        return "random"
    code = (
        "import sys, timm, torch; torch.manual_seed(0); "
        "torch.save(timm.create_model(sys.argv[1]).state_dict(), sys.argv[2])"
    )
    words = [options.peer_python, "-W", "ignore", "-c", code, options.backbone]
    subprocess.run([*words, str(path)], check=True)
    return str(path)


def measure_side(python: str, module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Run one side and return its metrics, or what went wrong."""
    command = [python, "-W", "ignore", "-m", module, *arguments]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode:
        return {"error": f"ended with {process.returncode}"}
    return json.loads(process.stdout.splitlines()[-1])


def merit(arguments: Arguments, side: str) -> dict[str, Any]:
    """Return the metrics of the maps and scores that a side wrote."""
    _, test = arguments.images
    maps, scores = (
        np.load(arguments.keep / f"{side}_{part}.npy") for part in ("maps", "scores")
    )
    pixels = PixelMetrics()
    for index, anomaly_map in enumerate(maps):
        pixels.update(anomaly_map, test.mask(index))
    return {**image_metrics(test.labels, scores), **pixels.metrics()}


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """Print a Markdown table with a row for each side, and the ratios."""
    print("| | " + " | ".join(title for title, _ in COLUMNS.values()) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for side, metrics in results.items():
        cells = [metrics.get("error", "")] * len(COLUMNS)
        if "seconds" in metrics:
            cells = [text.format(metrics[key]) for key, (_, text) in COLUMNS.items()]
        print(f"| {side} | " + " | ".join(cells) + " |")
    if all("seconds" in results.get(side, ()) for side in SIDES):
        ours, peer = (results[side] for side in SIDES)
        above, its = (one["peak_gb"] - one["start_gb"] for one in (ours, peer))
        print(
            f"\nfit + score {peer['seconds'] / ours['seconds']:.1f} times as fast, "
            f"{ours['peak_gb'] / peer['peak_gb']:.2f} of the memory "
            f"({above / its:.2f} without what importing takes)"
        )


if __name__ == "__main__":
    sys.exit(main())
