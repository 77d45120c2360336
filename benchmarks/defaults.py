"""Compare settings of methods on categories over seeds, in a table and on a page.

Each run trains, finetunes and tests one model in this process, and adds its row to the
table at once. What the table has is not run again; --render writes the page alone.

Run from the repository root: python -m benchmarks.defaults mvtec/bottle mvtec/capsule
"""

import argparse
import gc
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.accuracy import hardware, name_of
from benchmarks.defaults_page import CHOSEN, COSTS, render
from benchmarks.throughput import images_per_second
from methods.cli import method_checks, method_options
from methods.cli.parser import at_least, run_command
from methods.cli.train import build_parser
from processing.data.scan import scan
from processing.data.sizes import size_for, training_sizes
from processing.errors import UserError, reason
from processing.files import read_table, temporary_folder, write_table, write_text
from processing.metrics.image_metrics import ROUNDS
from processing.metrics.pixel_metrics import LIMITS
from processing.metrics.pixel_scores import Regions
from processing.metrics.ranking import aupro, auroc

if TYPE_CHECKING:
    from processing.data.image_set import ImageSet

SHORT = {  # trainings that take minutes on two cores: how many seeds
    "AE --size 128 --epochs 12": 3,
    "mvtecCAE --size 128 --epochs 12": 3,
    "mvtecCAE --size 256 --epochs 12": 1,
    "paperCAE --size 128 --epochs 12": 1,
    "baselineCAE --size 128 --epochs 12": 1,
    "resnetCAE --size 128 --epochs 6": 1,
    "skipCAE --size 256 --epochs 8": 1,
    "inceptionCAE --size 128 --epochs 2": 1,
}
LISTS = {  # settings, a method and options of train.py: how many seeds
    "defaults": {
        "ensemble": 3,
        "ensemble --coreset 0.1": 3,
        "ensemble --size 256 --coreset 0.1": 3,
        "ensemble --size 384 --coreset 0.1": 3,
        "ensemble -k efficientnet_lite0,efficientnet_lite2": 3,
        "padim": 3,
        "padim --size 256": 3,
        "padim --preset paper": 3,
        "patchcore": 3,
        "patchcore --coreset 0.1": 3,
        "patchcore --size 256 --coreset 0.1": 3,
        "patchcore --variance 1": 3,
        "patchcore --whiten": 3,
        "fewshot --shots 1": 5,
        "unified": 3,
    },
    "few shots": {
        "fewshot --shots 1": 5,
        "fewshot --shots 1 --rotations 1": 5,
        "fewshot --shots 1 --top 0": 5,
        "fewshot --shots 1 --rotations 1 --top 0": 5,
        "fewshot": 3,
        "fewshot --rotations 8": 3,
    },
    "autoencoders": {
        **{f"{x} --corrupt {share}": n for x, n in SHORT.items() for share in (0, 1)},
        "mvtecCAE --size 128 --epochs 30 --corrupt 1 --segment": 1,
        "mvtecCAE --size 256 --epochs 12 --corrupt 1 --segment": 1,
    },
}
FIRST = 42  # of the seeds
MULTIPLE = 32  # of both sides, the largest stride of the backbones
BINS = 4096  # of pixel scores, equally many in each, to draw images with
TAILS = [0.025, 0.975]
COLUMNS = [
    *("category", "setting", "seed", "size", "images"),
    *(f"{key}{end}" for key in CHOSEN for end in ("", "_low", "_high")),
    *COSTS,
    "machine",
]

Row = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Do the runs that the table lacks, and write the page; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    help_ = "category folders, such as mvtec/capsule"
    add("folders", nargs="*", type=Path, metavar="folder", help=help_)
    help_ = "which settings to run"
    add("--list", choices=LISTS, default="defaults", help=help_)
    help_ = "others than those of a list, such as 'patchcore --coreset 0.02'"
    add("--settings", nargs="+", default=[], metavar="SETTING", help=help_)
    add("--seeds", type=at_least(1), help="of each; default: 3, or as its list has it")
    table, page = Path("benchmarks/defaults.csv"), Path("docs/defaults.md")
    add("--table", type=Path, default=table, help="CSV of all runs")
    add("--page", type=Path, default=page, help="written from the table")
    add("--render", action="store_true", help="run nothing, but write the page anew")
    options = parser.parse_args(argv)
    if bool(options.folders) == options.render:
        parser.error("expected category folders, or --render")
    return run_command(lambda: compare(options))


def compare(options: argparse.Namespace) -> None:
    """Run what is asked for; a `UserError` at the end for runs that failed."""
    from methods.engine.backend import load_backend
    from methods.pipeline.sweeps import raise_failures

    planned, failures = list(plan(options)), []
    for folder, setting, seed in planned:  # a mistake is reported before any work
        method_checks.check_options(*parsed(folder, setting, seed))
    present = {tuple(row[x] for x in COLUMNS[:3]) for row in read(options.table)}
    missing = [run for run in planned if key(run) not in present]
    if missing:
        load_backend()
    for run in missing:
        name = ", ".join(key(run))
        print(f"\n{name}", flush=True)
        try:
            rows = [*read(options.table), measure(*run)]
        except (RuntimeError, OSError, ValueError, UserError) as error:
            print(f"error: {reason(error)}", file=sys.stderr)
            failures.append((name, reason(error)))
            continue
        write_table(options.table, rows, COLUMNS)
        write_page(options)
    write_page(options)
    print(f"page: {options.page}")
    raise_failures(failures)


def write_page(options: argparse.Namespace) -> None:
    """Write the page from the table."""
    write_text(options.page, render(read(options.table), LISTS))


def plan(options: argparse.Namespace) -> Iterator[tuple[Path, str, int]]:
    """Yield folder, setting and seed of each run, all of one seed first."""
    settings = dict.fromkeys(options.settings, 3) or LISTS[options.list]
    if options.seeds:
        settings = dict.fromkeys(settings, options.seeds)
    for number in range(max(settings.values())):
        for folder in options.folders:
            for setting, seeds in settings.items():
                if number < seeds:
                    yield folder, setting, FIRST + number


def key(run: tuple[Path, str, int]) -> tuple[str, str, str]:
    """Return category, setting and seed of a run as the table has them."""
    folder, setting, seed = run
    return name_of(folder), setting, str(seed)


def read(table: Path) -> list[dict[str, str]]:
    """Return the rows of the table, none if it is not there."""
    return read_table(table.read_text("utf-8")) if table.exists() else []


def parsed(
    folder: Path, setting: str, seed: int
) -> tuple[str, dict[str, tuple[str, Any]]]:
    """Return the method of a setting, and its options for the images of a category.

    A square that is asked for gets their shape, as the default size does.
    """
    method, *words = shlex.split(setting)
    words += ["-d", str(folder), "-a", method, "--seed", str(seed)]
    options = build_parser().parse_args(words)
    given = method_options.given(options)
    if options.size and options.size[0] == options.size[1]:
        sizes = training_sizes(scan(folder).images)
        given["size"] = "--size", size_for(sizes, options.size[0], MULTIPLE)
    return options.architecture[0], given


def measure(folder: Path, setting: str, seed: int) -> Row:
    """Train, finetune and test a model, which is not kept; return its row."""
    import keras

    with temporary_folder(Path(tempfile.gettempdir()), "defaults") as work:
        row = dict(zip(COLUMNS, (name_of(folder), setting, seed), strict=False))
        row |= judged(*parsed(folder, setting, seed), folder, work)
    keras.utils.clear_session()  # or the next run has the networks of all before it
    gc.collect()
    return row


def judged(
    method: str, given: dict[str, tuple[str, Any]], folder: Path, work: Path
) -> Row:
    """Return size, metrics and costs of a model whose files go into `work`."""
    from methods.detector.model_file import load_model
    from methods.engine.optimizer import on_gpu
    from methods.pipeline import finetuning, testing
    from methods.pipeline.splitting import unused
    from methods.pipeline.training import start_run, train_run

    run, record = start_run(folder, method, given, root=work / "models")
    with run.alone():
        model = train_run(run, record)
    results = work / "results"
    _, decided = finetuning.finetune(model, finetuning.Options(results=results))
    [tested] = testing.test(model, testing.Options(results=results, report=False))
    detector, record = load_model(model)
    images = detector.category(folder, cache_bytes=0).test
    images = unused(images, record, decided)
    maps: list[np.ndarray] = []
    speed = images_per_second(detector, images, lambda batch: maps.extend(batch.maps))
    intervals = tested.result.intervals_95
    if tested.result.pixel_auroc is not None:
        intervals |= pixel_intervals(images, maps, FIRST)
    row: Row = {
        "size": "{}x{}".format(*detector.preparation.size),
        "images": len(images),
        "fit_seconds": record.training["seconds"],
        "images_per_second": speed,
        "megabytes": model.stat().st_size / 1e6,
        "machine": hardware(on_gpu()),
    }
    for name in CHOSEN:
        low_high = intervals.get(name, (None, None))
        ends = dict(zip((f"{name}_low", f"{name}_high"), low_high, strict=True))
        row |= {name: getattr(tested.result, name), **ends}
    return row


def pixel_intervals(
    images: "ImageSet", maps: Sequence[np.ndarray], seed: int
) -> dict[str, list[float]]:
    """Return [low, high] of pixel AUROC and AUPRO, 95 % of draws of images.

    As `image_metrics.bootstrap_intervals`: good and defective images are each drawn
    anew. Pixels are those of the maps, their scores counted in bins.

    Args:
        images: those without ground truth are left out.
        maps: (h, w) of each, perhaps more of them.
        seed: of the draws.
    """
    from methods.pipeline.evaluation import known_mask

    known = [i for i in range(len(images)) if known_mask(images, i) is not None]
    chosen = np.stack([maps[i] for i in known])
    masks = [images.mask(i, chosen.shape[1:]) for i in known]
    limits = np.quantile(chosen[:, ::4, ::4], np.linspace(1, 0, BINS + 1)[1:-1])
    counts, regions = [], []
    for anomaly_map, mask in zip(chosen, masks, strict=True):
        found = Regions.of(mask)
        shares = found.shares_in(mask.shape).ravel()
        bins = np.searchsorted(-limits, -anomaly_map.ravel())
        weights = shares == 0, shares > 0, shares
        counts.append([np.bincount(bins, x, BINS) for x in weights])
        regions.append(len(found))
    rng, times = np.random.default_rng(seed), np.zeros((ROUNDS, len(known)))
    for label in (False, True):
        drawn = np.flatnonzero([mask.any() == label for mask in masks])
        n = len(drawn)
        times[:, drawn] = rng.multinomial(n, np.full(n, 1 / n), ROUNDS)
    good, anomalous, overlap = times @ np.array(counts).swapaxes(0, 1)
    overlap /= (times @ regions)[:, None]
    values = {
        "pixel_auroc": auroc(good, anomalous),
        "aupro": [
            aupro(*draw, LIMITS["aupro"]) for draw in zip(good, overlap, strict=True)
        ],
    }
    return {name: np.quantile(x, TAILS).tolist() for name, x in values.items()}


if __name__ == "__main__":
    raise SystemExit(main())
