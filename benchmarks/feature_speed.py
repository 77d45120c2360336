"""Compare how fast feature methods fit and judge: runtimes, an older commit, anomalib.

Every measurement is a process of its own, and all sides take turns; medians of the
rounds count. Ratios are those of the wall clock and, which another load on the machine
does not change as much, of the processors' seconds.

Run from the repository root: python -m benchmarks.feature_speed mvtec/bottle
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from methods.cli.parser import at_least, one_of, run_command
from methods.jobs.child_process import ChildError
from processing.errors import UserError
from processing.files import temporary_folder, write_table
from processing.metrics.image_metrics import image_metrics

ROOT = Path(__file__).parents[1]
SIDE = str(ROOT / "benchmarks/feature_side.py")
METHODS = ("PaDiM", "PatchCore", "ensemble", "fewshot", "featureCAE")
PEERS = ("PaDiM", "PatchCore")  # that anomalib has
COLUMNS = {  # and how the table writes them
    "fit_seconds": ("fit, s", ".1f"),
    "fit_busy": ("of processors", ".1f"),
    "decoded": ("images/s", ".1f"),
    "files": ("of files", ".1f"),
    "busy": ("processor s an image", ".3f"),
    "auroc": ("image AUROC", ".4f"),
    "peak_gb": ("peak GB", ".2f"),
}
RATIOS = {"fit_busy": "fit", "busy": "judging"}

Side = tuple[list[str], dict[str, str], Path]  # command, environment, folder
Result = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the table of all rounds, and print one of medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("category", type=Path, help="folder in the layout of MVTec AD")
    add("--methods", nargs="+", type=one_of(METHODS), default=METHODS, metavar="NAME")
    add("--size", type=at_least(32), default=256, help="side of the images in pixels")
    add("--rounds", type=at_least(1), default=3, help="of each side")
    add("--beside", metavar="COMMIT", help="whose code is measured, too")
    help_ = "interpreter with anomalib 2 and torch, to be measured, too"
    add("--anomalib", metavar="PYTHON", help=help_)
    add("--table", type=Path, help="CSV of all rounds")
    options = parser.parse_args(argv)
    return run_command(lambda: compare(options))


def compare(options: argparse.Namespace) -> None:
    """Measure all sides by turns, and print a table for each method."""
    rows: list[Result] = []
    with worktree(options.beside) as beside:
        for method in options.methods:
            sides = sides_of(method, options, beside)
            rounds: dict[str, list[Result]] = {side: [] for side in sides}
            for number in range(options.rounds):
                for side, how in sides.items():
                    result = measured(*how)
                    rounds[side].append(result)
                    rows.append(row(method, options.size, side, number, result))
                    if options.table:
                        write_table(options.table, rows)
            print_table(method, options.size, rounds)


@contextmanager
def worktree(commit: str | None) -> Iterator[Path | None]:
    """Yield a folder with the files of a commit, None for None."""
    if commit is None:
        yield None
        return
    with temporary_folder(Path("."), "beside") as folder:
        git = ["git", "worktree"]
        target = folder.absolute() / "tree"
        made = [*git, "add", "--quiet", "--detach", str(target), commit]
        if subprocess.run(made).returncode:
            raise UserError(f"--beside: expected a commit. Received: {commit}")
        try:
            yield target
        finally:
            subprocess.run([*git, "remove", "--force", str(target)], check=True)


def sides_of(
    method: str, options: argparse.Namespace, beside: Path | None
) -> dict[str, Side]:
    """Return how each side measures a method."""
    words = [str(options.category.absolute()), method, str(options.size)]

    def ours(root: Path, runtime: str) -> Side:
        environment = {"PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
        return [sys.executable, SIDE, *words, runtime], environment, root

    sides = {"Keras": ours(ROOT, "keras"), "ONNX Runtime": ours(ROOT, "onnx")}
    if beside:
        sides[options.beside] = ours(beside, "keras")
    if options.anomalib and method in PEERS:
        module = [options.anomalib, "-W", "ignore", "-m", "benchmarks.feature_anomalib"]
        sides["anomalib"] = [*module, *words], {}, ROOT
    return sides


def measured(command: list[str], environment: dict[str, str], folder: Path) -> Result:
    """Return what a process measured, with the AUROC of its scores."""
    process = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ChildError(f"{' '.join(command)}: {last}", last)
    result = json.loads(process.stdout.splitlines()[-1])
    metrics = image_metrics(result.pop("labels"), result.pop("scores"))
    return {**result, "auroc": metrics["image_auroc"]}


def row(method: str, size: int, side: str, number: int, result: Result) -> Result:
    """Return a row of the table of all rounds."""
    run = {"method": method, "size": size, "side": side, "round": number + 1}
    return {**run, "load": os.getloadavg()[0], **result}


def print_table(method: str, size: int, rounds: dict[str, list[Result]]) -> None:
    """Print medians of each side in Markdown, and ratios to ours in Keras."""
    titles = [title for title, _ in COLUMNS.values()]
    times = [f"times Keras, {title}" for title in RATIOS.values()]
    print(f"\n{method} at {size}x{size}, load {os.getloadavg()[0]:.1f}\n")
    print(f"| | {' | '.join([*titles, *times])} |")
    print("|---" * (len(titles) + len(times) + 1) + "|")
    middle = {
        side: {key: median(float(x[key]) for x in results) for key in COLUMNS}
        for side, results in rounds.items()
    }
    for side, values in middle.items():
        cells = [format(values[key], how) for key, (_, how) in COLUMNS.items()]
        cells += [f"{middle['Keras'][key] / values[key]:.2f}" for key in RATIOS]
        print(f"| {side} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
