"""Time the pixel metrics beside scikit-learn, anomalib and ADEval, on the same arrays.

Run from the repository root: python -m benchmarks.metrics
anomalib and ADEval take part where they are installed. They need PyTorch and older
packages than this project: run it with the Python of an environment that has them and
this project's dependencies. Each row is a process of its own. Linux with glibc only.
"""

import argparse
import ctypes
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Arrays = npt.NDArray[Any]
Metrics = dict[str, float]
NAMES = ("AUROC", "AP", "F1max", "AUPRO")
WIDTHS = (30, 9, 9, 9, 12, 12, 12, 12)
MIB = 2**20


def ours(maps: Arrays, masks: Arrays) -> Metrics:
    """Return all four metrics, streamed map by map."""
    from processing.metrics.pixel_metrics import PixelMetrics

    metric = PixelMetrics()
    for anomaly_map, mask in zip(maps, masks, strict=True):
        metric.update(anomaly_map, mask)
    metrics = metric.metrics()
    keys = ("pixel_auroc", "pixel_ap", "pixel_f1max", "aupro")
    return {name: float(metrics[key]) for name, key in zip(NAMES, keys, strict=True)}


def sklearn_auroc(maps: Arrays, masks: Arrays) -> Metrics:
    """Return the AUROC of scikit-learn."""
    from sklearn.metrics import roc_auc_score

    return {"AUROC": roc_auc_score(masks.ravel(), maps.ravel())}


def sklearn_precision(maps: Arrays, masks: Arrays) -> Metrics:
    """Return the AP, and F1max from the precision-recall curve, of scikit-learn."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    truth, scores = masks.ravel(), maps.ravel()
    precision, recall, _ = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return {"AP": average_precision_score(truth, scores), "F1max": float(f1.max())}


def anomalib(maps: Arrays, masks: Arrays) -> Metrics:
    """Return AUROC and AUPRO of anomalib."""
    import torch
    from anomalib.metrics.aupro import _AUPRO
    from anomalib.metrics.auroc import _AUROC

    metrics = {}
    for name, metric in (("AUROC", _AUROC()), ("AUPRO", _AUPRO())):
        for anomaly_map, mask in zip(maps, masks, strict=True):
            pair = torch.from_numpy(anomaly_map)[None], torch.from_numpy(mask)[None]
            metric.update(*(x.float() if name == "AUPRO" else x for x in pair))
        metrics[name] = float(metric.compute())
    return metrics


def adeval(maps: Arrays, masks: Arrays) -> Metrics:
    """Return AUROC, AUPRO and the area under the straight-line PR curve of ADEval."""
    from adeval import auroc_aupr_aupro

    metrics = auroc_aupr_aupro(list(maps), list(masks.view(np.uint8)))
    return dict(zip(("AUROC", "AP", "AUPRO"), metrics, strict=True))


Contender = Callable[[Arrays, Arrays], Metrics]
CONTENDERS: dict[str, tuple[str, Contender]] = {  # row: what it imports, the function
    "this project": ("numba", ours),
    "scikit-learn AUROC": ("sklearn", sklearn_auroc),
    "scikit-learn AP, F1max": ("sklearn", sklearn_precision),
    "anomalib AUROC, AUPRO": ("anomalib", anomalib),
    "ADEval AUROC, AUPR, AUPRO": ("adeval", adeval),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print CPU and wall seconds, memory and metrics of everything that is there."""
    args = parse_arguments(argv)
    if args.measure:
        print(json.dumps(measure(args.measure, args.arrays, args.seconds)))
        return 0
    for n, side in args.sets:
        with tempfile.TemporaryDirectory(dir=args.temporary) as folder:
            arrays = make_arrays(np.random.default_rng(args.seed), n, side)
            for name, array in zip(("maps", "masks"), arrays, strict=True):
                np.save(Path(folder) / f"{name}.npy", array)
            size = sum(array.nbytes for array in arrays) / MIB
            del arrays, array
            print(f"{n} maps of {side} x {side}: arrays of {size:.0f} MiB")
            print_table(folder, args.rows, args.seconds)
    print("CPU s: all threads, best run; MiB: peak above the arrays and imports")
    return 0


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    help_ = "number and side of square maps"
    add("--sets", nargs="+", type=_set, default=["83x256", "100x1024"], help=help_)
    help_, rows = "what to run", list(CONTENDERS)
    add("--rows", nargs="+", choices=rows, default=rows, metavar="ROW", help=help_)
    help_ = "in which each row is run again, once at least; the best run counts"
    add("--seconds", type=float, default=10, help=help_)
    add("--seed", type=int, default=0, help="seed of the maps")
    add("--temporary", help="where the arrays go for the time being")
    add("--measure", choices=rows, help=argparse.SUPPRESS)
    add("--arrays", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.sets = [_set(x) if isinstance(x, str) else x for x in args.sets]
    return args


def _set(text: str) -> tuple[int, int]:
    n, side = map(int, text.split("x"))
    if n < 2 or side < 32:
        raise ValueError
    return n, side


def make_arrays(rng: np.random.Generator, n: int, side: int) -> tuple[Arrays, Arrays]:
    """Return float32 maps and bool masks (n, side, side), three in four defective."""
    maps = np.empty((n, side, side), np.float32)
    masks = np.zeros((n, side, side), bool)
    y, x = np.indices((side, side), np.float32)
    for i in range(n):
        noise = cv2.GaussianBlur(rng.standard_normal((side, side)), (0, 0), 4)
        maps[i] = noise / noise.std()
        for _ in range(3 if i >= n // 4 else 0):
            middle_y, middle_x = rng.integers(0, side, 2)
            radius = rng.uniform(0.03, 0.08) * side
            distance = np.hypot(y - middle_y, x - middle_x)
            masks[i] |= distance < radius
            maps[i] += 2.5 * np.exp(-((distance / radius) ** 2))
    return maps, masks


def print_table(folder: str, names: Sequence[str], seconds: float) -> None:
    """Print a row for everything that can be imported."""
    row("", "CPU s", "wall s", "MiB", *NAMES)
    for name in names:
        if importlib.util.find_spec(CONTENDERS[name][0]) is None:
            row(name, "is not installed")
            continue
        command = [sys.executable, "-m", "benchmarks.metrics"]
        command += ["--measure", name, "--arrays", folder, "--seconds", f"{seconds}"]
        process = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if process.returncode:
            row(name, f"failed with exit code {process.returncode}")
            continue
        result = json.loads(process.stdout.splitlines()[-1])
        metrics = [result["metrics"].get(metric) for metric in NAMES]
        row(
            name,
            *(f"{result[key]:.3f}" for key in ("cpu", "wall")),
            f"{result['memory'] / MIB:.0f}",
            *("" if x is None else f"{x:.8f}" for x in metrics),
        )
    print()


def measure(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Return what a row takes, imports and compilation left out, and its metrics."""
    _, contender = CONTENDERS[name]
    contender(*make_arrays(np.random.default_rng(1), 2, 1024))
    arrays = [np.load(folder / f"{part}.npy") for part in ("maps", "masks")]
    ctypes.CDLL(None).malloc_trim(0)  # what is freed does not count as memory before
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, times, start = memory("VmRSS"), [], perf_counter()
    while not times or perf_counter() - start < seconds:
        began = process_time(), perf_counter()
        metrics = contender(*arrays)
        times.append((process_time() - began[0], perf_counter() - began[1]))
    cpu, wall = min(times)
    peak = memory("VmHWM") - before
    return {"cpu": cpu, "wall": wall, "memory": peak, "metrics": metrics}


def memory(field: str) -> int:
    """Return a field of this process's status in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


def row(*cells: str) -> None:
    """Print a row of the table."""
    widths = WIDTHS[: len(cells)]
    first, *others = zip(cells, widths, strict=True)
    texts = [f"{first[0]:<{first[1]}}", *(f"{text:>{width}}" for text, width in others)]
    print("".join(texts).rstrip(), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
