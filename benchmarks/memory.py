"""Show that the memory of finetune.py and test.py does not grow with the images.

Run from the repository root: python -m benchmarks.memory
"""

import argparse
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from methods.jobs.child_process import run
from processing.samples import write_samples

TRAIN = 12  # good images to train on
DRAWN = 10  # different pictures of each kind; links to them make up the numbers
DEFECT = "hole"
MIB = 2**20
FILES = {"finetune": "finetuning_result.json", "test": "test_result.json"}
USED = {"finetune": ("validation_files", "finetuning_files"), "test": ("images",)}
WIDTHS = (10, 13, 10, 11, 11)


@dataclass(frozen=True)
class Measurement:
    """One run of a script.

    Attributes:
        script: a key of `FILES`.
        folder_images: test images in the category.
        used: images that the script decoded and judged.
        peak: resident memory of the process, in bytes.
        seconds: from start to exit.
    """

    script: str
    folder_images: int
    used: int
    peak: int
    seconds: float


def main(argv: Sequence[str] | None = None) -> int:
    """Print the peak memory of both scripts for every number of test images."""
    args = parse_arguments(argv)
    with tempfile.TemporaryDirectory(dir=args.temporary) as temporary:
        root = Path(temporary)
        (drawn,) = write_samples(
            root / "drawn",
            train=TRAIN,
            good=DRAWN,
            defects=DRAWN,
            size=args.file,
            categories=("washer",),
        )
        model = train(drawn, root, args)
        runs = []
        for images in args.images:
            category = make_category(
                root / f"images_{images}" / "washer", drawn, images
            )
            for script in FILES:
                runs.append(measure(script, model, category, images, args))
    print_table(sorted(runs, key=lambda run: (run.script, run.folder_images)), args)
    return 0


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--images",
        type=int,
        nargs="+",
        default=[200, 2000],
        help="numbers of test images, half of them good",
    )
    options = {
        "size": (256, "height and width that images are resized to"),
        "file": (256, "height and width of the files"),
        "batch": (8, "images a training step"),
    }
    for name, (default, text) in options.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    parser.add_argument(
        "--save", action="store_true", help="let test.py write masks and overlays"
    )
    parser.add_argument("--temporary", help="where the images go for the time being")
    args = parser.parse_args(argv)
    if min(args.images) < 20:
        parser.error("--images needs numbers of at least 20")
    return args


def make_category(folder: Path, drawn: Path, images: int) -> Path:
    """Return a category of links to `drawn` with that many test images."""
    shutil.copytree(drawn / "train", folder / "train", copy_function=os.link)
    halves = {"good": images - images // 2, DEFECT: images // 2}
    for kind, count in halves.items():
        sources = itertools.cycle(sorted((drawn / "test" / kind).iterdir()))
        (folder / "test" / kind).mkdir(parents=True)
        for index, source in zip(range(count), sources, strict=False):
            os.link(source, folder / "test" / kind / f"{index:06d}.png")
    sources = itertools.cycle(sorted((drawn / "ground_truth" / DEFECT).iterdir()))
    (folder / "ground_truth" / DEFECT).mkdir(parents=True)
    for index, source in zip(range(halves[DEFECT]), sources, strict=False):
        os.link(source, folder / "ground_truth" / DEFECT / f"{index:06d}_mask.png")
    return folder


def train(category: Path, root: Path, args: argparse.Namespace) -> Path:
    """Train for one epoch and return the model file."""
    command = ["train.py", "-d", str(category), "--models", str(root / "models")]
    command += ["--epochs", "1", "--lr", "0.001", "--batch", str(args.batch)]
    run([*command, "--size", str(args.size)])
    (model,) = (root / "models").rglob("*.hdf5")
    return model


def measure(
    script: str, model: Path, category: Path, images: int, args: argparse.Namespace
) -> Measurement:
    """Run a script on a category and return what it took."""
    results = category.parent / "results"
    where = "-d" if script == "finetune" else "--category"
    command = [f"{script}.py", "-p", str(model), where, str(category)]
    if script == "test" and args.save:
        command.append("--save")
    usage = run([*command, "--results", str(results)])
    (path,) = results.rglob(FILES[script])
    used = count(json.loads(path.read_text(encoding="utf-8")), script)
    return Measurement(script, images, used, usage.peak, usage.seconds)


def count(result: dict, script: str) -> int:
    """Return how many images a result says were judged."""
    values = [result[key] for key in USED[script]]
    return sum(value if isinstance(value, int) else len(value) for value in values)


def print_table(runs: Sequence[Measurement], args: argparse.Namespace) -> None:
    """Print a row for each run, and what an image more takes."""
    print(
        f"mvtecCAE at {args.size} x {args.size} grey, files {args.file} x {args.file}"
    )
    print("of N test images finetune.py judges a tenth, test.py the others\n")
    row("script", "test images", "judged", "peak MiB", "img/s")
    for one in runs:
        numbers = (str(one.folder_images), str(one.used), f"{one.peak / MIB:.0f}")
        row(one.script, *numbers, f"{one.used / one.seconds:.1f}")
    print(
        "\nimg/s: start included. Up to 64 MiB of decoded images are kept, sets that "
        "are larger are read as they come"
    )
    for script in FILES:
        print_growth(script, [one for one in runs if one.script == script])


def print_growth(script: str, runs: Sequence[Measurement]) -> None:
    """Print what a judged image more takes, between the fewest and the most."""
    fewest, most = runs[0], runs[-1]
    extra = most.used - fewest.used
    if extra > 0:
        kib = (most.peak - fewest.peak) / extra / 1024
        seconds = (most.seconds - fewest.seconds) / extra
        print(
            f"{script}: an image more takes {kib:.0f} KiB and {1000 * seconds:.1f} ms"
        )


def row(*cells: str) -> None:
    """Print a row of the table."""
    print("".join(f"{x:<{w}}" for x, w in zip(cells, WIDTHS, strict=True)).rstrip())


if __name__ == "__main__":
    raise SystemExit(main())
