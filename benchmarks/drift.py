"""How soon drift alarms, and how often without a change, on real photos.

The models were trained with `--validation 0.5`, so that half of the good images, and
those of the test set, are none that they learned from: all of these are one pool. A
stream draws from it with replacement, and so does the calibration, of 50 images; the
threshold is the highest score of these. After 100 photos that are judged good, the
photos change.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from methods.detector.judge import Judge
from methods.detector.model_file import load_model
from methods.pipeline.drifting import CRITICAL, WATCHED, Charts
from processing.decision.decision import Decision
from processing.decoding.appearance import appearance
from processing.decoding.decode import read_pixels

ALPHA = 0.01
CALIBRATION = 50  # images
CHANGE, LAST = 100, 400  # photos judged good before the change, and in all
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "brightness +10 %": lambda x: np.clip(1.1 * x, 0, 255).astype(np.uint8),
    "blur, sigma 1 px": lambda x: cv2.GaussianBlur(x, (0, 0), 1),
}
OTHER = "another category"


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs=2, help="of two categories")
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument("--cache", type=Path, default=Path("drift.npz"))
    options = parser.parse_args(argv)
    tables = cached(options.models, options.cache)
    print(
        "| photos | change | still judged good | streams that alarm | median | 90 % |"
    )
    print("|---|---|---:|---:|---:|---:|")
    for model in options.models:
        for change in (*CHANGES, OTHER):
            found_after = [
                alarmed(tables, model.stem, change, order)
                for order in range(options.orders)
            ]
            found = sorted(x for x in found_after if x is not None)
            full = found + [np.inf] * (options.orders - len(found))
            middle, high = (full[int(q * (len(full) - 1))] for q in (0.5, 0.9))
            good = good_share(tables, model.stem, change, options.orders)
            alarms = f"{len(found)} of {options.orders}"
            delays = [f"{x:.0f}" if np.isfinite(x) else "–" for x in (middle, high)]
            cells = model.stem, change, f"{good:.2f}", alarms, *delays
            print(f"| {' | '.join(map(str, cells))} |")
    return 0


def cached(models: Sequence[Path], cache: Path) -> dict[str, np.ndarray]:
    """Return (n, 4) `WATCHED` of each model's pool by each change, computed once."""
    if not cache.exists():
        tables = {}
        for model, other in zip(models, reversed(models), strict=True):
            detector, record = load_model(model)
            judge = Judge(detector, Decision(1.0, 1), good_scores=[1.0])
            photos = list(pool(record))
            for change, edit in CHANGES.items():
                tables[f"{model.stem} {change}"] = watched(judge, map(edit, photos))
            others = pool(load_model(other)[1])
            tables[f"{model.stem} {OTHER}"] = watched(judge, others)
        np.savez(cache, **tables)
    with np.load(cache) as file:
        return dict(file)


def pool(record: SimpleNamespace) -> Iterator[np.ndarray]:
    """Yield the good photos that a model has not learned from, RGB."""
    folder, learned = Path(record.folder), set(record.splits.fit)
    for path in sorted(folder.glob("t*/good/*")):
        if path.relative_to(folder).as_posix() not in learned:
            yield read_pixels(path, 3)


def watched(judge: Judge, photos: Iterator[np.ndarray]) -> np.ndarray:
    """Return what drift looks at of each photo."""
    rows = []
    for pixels in photos:
        [verdict] = judge.judge_arrays([pixels])
        look = {CRITICAL: verdict.critical, **appearance(pixels)}
        rows.append([look[name] for name in WATCHED])
    return np.array(rows)


def good_share(
    tables: dict[str, np.ndarray], name: str, change: str, orders: int
) -> float:
    """Return the share of photos with a change that is judged good."""
    shares = []
    for order in range(orders):
        limit = calibrated(np.random.default_rng(order), tables[f"{name} none"]).max()
        shares.append((tables[f"{name} {change}"][:, 0] < limit).mean())
    return float(np.mean(shares))


def calibrated(rng: np.random.Generator, before: np.ndarray) -> np.ndarray:
    """Return the scores that a stream is calibrated with."""
    return rng.choice(before[:, 0], CALIBRATION)


def alarmed(
    tables: dict[str, np.ndarray], name: str, change: str, order: int
) -> int | None:
    """Return after how many changed photos, judged good or not, a stream alarms.

    Without a change: after how many photos; None for never.
    """
    rng = np.random.default_rng(order)
    before, after = tables[f"{name} none"], tables[f"{name} {change}"]
    scores = calibrated(rng, before)
    limit = scores.max()
    decision = SimpleNamespace(threshold=limit)
    charts = Charts(SimpleNamespace(good_scores=scores, decision=decision), ALPHA)
    for photo in range(LAST):
        changed = charts.count >= CHANGE and change != "none"
        row = rng.choice(after if changed else before)
        if not changed:
            start = photo
        if row[0] < limit:
            reading = dict(zip(WATCHED, row, strict=True))
            if charts.add(reading, f"{order} {photo}"):
                return photo - start if changed else photo + 1
    return None


if __name__ == "__main__":
    sys.exit(main())
