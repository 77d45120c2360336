"""Show what the number of images costs in memory and time, one more and in all.

finetune.py and test.py judge test images, and with --fit train.py learns from training
images. All files are different: what is kept of one tells nothing of another.

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
from typing import Any

from methods import METHODS
from methods.cli.parser import one_of
from methods.detector.settings import KERAS, RUNTIMES
from methods.jobs.child_process import run
from processing.samples import write_samples

TRAIN = 12  # good images to train on
DRAWN = 10  # different pictures of each kind; copies of them make up the numbers
DEFECT = "hole"
MIB = 2**20
FILES = {"finetune": "finetuning_result.json", "test": "test_result.json"}
USED = {"finetune": ("validation_files", "finetuning_files"), "test": ("images",)}
WIDTHS = (10, 13, 10, 11, 11)
BRIEF = {"mvtecCAE": ("--epochs", "1", "--lr", "0.001")}


@dataclass(frozen=True)
class Measurement:
    """One run of a script.

    Attributes:
        script: a key of `FILES`, or "train".
        folder_images: test images in the category, or images to learn from.
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
    """Print peak memory and speed for every number of images."""
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
        runs = [learn(drawn, root / f"fit_{n}" / "washer", n, args) for n in args.fit]
        model = train(drawn, root, args)[0]
        for images in args.images:
            category = make_category(
                root / f"images_{images}" / "washer", drawn, images
            )
            for script in FILES:
                runs.append(measure(script, model, category, images, args))
            shutil.rmtree(category.parent)
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
    help_ = "numbers of training images"
    parser.add_argument("--fit", type=int, nargs="+", default=[], help=help_)
    methods = one_of(METHODS)
    parser.add_argument("-a", "--architecture", type=methods, default="mvtecCAE")
    help_ = "of finetune.py and test.py"
    parser.add_argument("--runtime", choices=RUNTIMES, default=KERAS, help=help_)
    options = {
        "size": (256, "height and width that images are resized to"),
        "file": (256, "height and width of the files"),
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
    """Return a category of copies of `drawn` with that many test images."""
    shutil.copytree(drawn / "train", folder / "train", copy_function=os.link)
    halves = {"good": images - images // 2, DEFECT: images // 2}
    for kind, count in halves.items():
        copies(drawn / "test" / kind, folder / "test" / kind, count)
    sources = itertools.cycle(sorted((drawn / "ground_truth" / DEFECT).iterdir()))
    (folder / "ground_truth" / DEFECT).mkdir(parents=True)
    for index, source in zip(range(halves[DEFECT]), sources, strict=False):
        os.link(source, folder / "ground_truth" / DEFECT / f"{index:06d}_mask.png")
    return folder


def copies(source: Path, target: Path, count: int) -> None:
    """Write different files of the same pictures: what follows a PNG does not count."""
    contents = [path.read_bytes() for path in sorted(source.iterdir())]
    target.mkdir(parents=True)
    for index, content in zip(range(count), itertools.cycle(contents), strict=False):
        number = index.to_bytes(4, "big")
        (target / f"{index:06d}.png").write_bytes(content + number)


def train(category: Path, root: Path, args: argparse.Namespace) -> tuple[Path, Any]:
    """Train, an autoencoder for one epoch; return the model file and what it took."""
    command = ["train.py", "-d", str(category), "--models", str(root / "models")]
    command += ["-a", args.architecture, *BRIEF.get(args.architecture, ())]
    usage = run([*command, "--size", str(args.size)])
    (model,) = (root / "models").rglob("*.hdf5")
    return model, usage


def learn(
    drawn: Path, folder: Path, images: int, args: argparse.Namespace
) -> Measurement:
    """Train on a number of images and return what it took."""
    copies(drawn / "train/good", folder / "train/good", images)
    _, usage = train(folder, folder.parent, args)
    shutil.rmtree(folder.parent)
    return Measurement("train", images, images, usage.peak, usage.seconds)


def measure(
    script: str, model: Path, category: Path, images: int, args: argparse.Namespace
) -> Measurement:
    """Run a script on a category and return what it took."""
    results = category.parent / "results"
    where = "-d" if script == "finetune" else "--category"
    command = [f"{script}.py", "-p", str(model), where, str(category)]
    command += ["--runtime", args.runtime]
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
        f"{args.architecture} at {args.size} x {args.size}, judged by {args.runtime}, "
        f"files {args.file} x {args.file}, load {os.getloadavg()[0]:.1f}"
    )
    print("of N test images finetune.py judges a tenth, test.py the others\n")
    row("script", "images", "used", "peak MiB", "img/s")
    for one in runs:
        numbers = (str(one.folder_images), str(one.used), f"{one.peak / MIB:.0f}")
        row(one.script, *numbers, f"{one.used / one.seconds:.1f}")
    print(
        "\nimg/s: start included. Up to 64 MiB of decoded images are kept, sets that "
        "are larger are read as they come"
    )
    for script in dict.fromkeys(one.script for one in runs):
        print_growth(script, [one for one in runs if one.script == script])


def print_growth(script: str, runs: Sequence[Measurement]) -> None:
    """Print what an image more takes, between the fewest and the most."""
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
