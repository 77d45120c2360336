"""Time the search for a decision against labelling every map at every threshold.

Run from the repository root: python -m benchmarks.search
"""

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops

from processing.decision.calibration import GoodImages
from processing.decision.regions import AreaCurve, area_curve
from processing.decision.search import SearchResult, find_decision

Maps = npt.NDArray[np.float64]
N_ANOMALOUS = 5  # of the finetuning maps


def main(argv: Sequence[str] | None = None) -> int:
    """Print seconds, ratio and agreement of both searches."""
    args = parse_arguments(argv)
    rng = np.random.default_rng(args.seed)
    validation = made_maps(rng, args.validation, 0, args.size)
    finetuning = made_maps(rng, args.finetuning, N_ANOMALOUS, args.size)
    labels = np.arange(args.finetuning) < N_ANOMALOUS
    maps = np.concatenate([validation, finetuning])
    grid = np.linspace(0.1, maps.max(), args.thresholds)

    start = perf_counter()
    area_curve(maps[0])
    warm_up = perf_counter() - start

    curves, curve_seconds = timed(partial(make_curves, maps, args.threads), args.repeat)
    good, judged = curves[: args.validation], curves[args.validation :]

    def search() -> SearchResult:
        return find_decision(GoodImages.of(good, maps[0].size), judged, labels)

    result, search_seconds = timed(search, args.repeat)
    ours = curve_seconds + search_seconds
    areas, labelling = timed(partial(label_all, maps, grid), 1)
    same = np.array_equal(areas, [curve.area_at(grid) for curve in curves])

    print(f"{len(maps)} maps of {args.size} x {args.size}, {args.threads} thread(s)")
    print(f"imports and numba compilation or cache load ({warm_up:.2f} s): not counted")
    print(f"our steps: median of {args.repeat} runs; labelling: one full run\n")
    row("step", "seconds", "pairs of threshold and area tried")
    row("area curves", f"{curve_seconds:.3f}", "")
    row("find_decision", f"{search_seconds:.3f}", f"all {result.min_areas[-1]:,} areas")
    row("whole search", f"{ours:.3f}", "exact")
    row("labelling", f"{labelling:.1f}", f"grid of {args.thresholds} thresholds")
    row("ratio", f"{labelling / ours:.0f} x", "")
    print(f"\nlargest areas the same at all {areas.size:,} points: {same}")
    print(describe(result))
    return 0 if same else 1


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options = {
        "size": (256, "height and width of a map in pixels"),
        "validation": (21, "number of good validation maps"),
        "finetuning": (
            9,
            f"number of finetuning maps, {N_ANOMALOUS} of them anomalous",
        ),
        "thresholds": (450, "thresholds that the labelling tries"),
        "threads": (1, "threads that make the curves"),
        "repeat": (5, "runs of each of our steps"),
        "seed": (0, "seed of the maps"),
    }
    for name, (default, text) in options.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    args = parser.parse_args(argv)
    if args.finetuning <= N_ANOMALOUS or args.validation < 1:
        parser.error(f"needs 1 validation and more than {N_ANOMALOUS} finetuning maps")
    return args


def made_maps(rng: np.random.Generator, n: int, n_anomalous: int, size: int) -> Maps:
    """Return (n, size, size) maps like residual maps, the first ones with blobs."""
    noise = gaussian_filter(np.abs(rng.normal(size=(n, size, size))), (0, 2, 2))
    maps = 0.6 * noise / noise.max()
    y, x = np.indices((size, size))
    for anomaly_map in maps[:n_anomalous]:
        for _ in range(3):
            middle_y, middle_x = rng.integers(0, size, 2)
            radius = rng.uniform(0.02, 0.06) * size
            distance = (y - middle_y) ** 2 + (x - middle_x) ** 2
            anomaly_map += 0.35 * np.exp(-distance / (2 * radius**2))
    return maps


def make_curves(maps: Maps, threads: int) -> list[AreaCurve]:
    """Return the curve of each map."""
    if threads == 1:
        return [area_curve(m) for m in maps]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(area_curve, maps))


def label_all(maps: Maps, thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the largest areas (maps, thresholds) as the original gets them."""
    areas = np.zeros((len(maps), len(thresholds)), np.int64)
    for i, anomaly_map in enumerate(maps):
        for j, threshold in enumerate(thresholds):
            regions = regionprops(label(anomaly_map > threshold))
            areas[i, j] = max((region.area for region in regions), default=0)
    return areas


def timed(function: Callable[[], Any], repeat: int) -> tuple[Any, float]:
    """Return what the function returns and the median of its seconds."""
    seconds = []
    for _ in range(repeat):
        start = perf_counter()
        value = function()
        seconds.append(perf_counter() - start)
    return value, float(np.median(seconds))


def row(*cells: str) -> None:
    """Print a row of the table."""
    print(f"{cells[0]:<15}{cells[1]:>9}  {cells[2]}".rstrip())


def describe(result: SearchResult) -> str:
    """Return one line on what was found."""
    decision = result.decision
    return (
        f"found: threshold {decision.threshold:.4f}, min_area {decision.min_area}, "
        f"score {result.score:.2f}, margin {result.margin:.2f}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
