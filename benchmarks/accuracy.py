"""Train, finetune and test on a category and keep the scores in the README's table.

Run from the repository root: python -m benchmarks.accuracy mvtec/capsule
"""

import argparse
import logging
import math
import os
import platform
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter

import finetune
import test
import train
from methods import METHODS
from methods.backend import load_backend
from processing import command
from processing.files import write_text

LOSSES = ("ssim", "mssim", "l2")
KEY = ("data set", "method", "loss", "limit")
FIGURES = {  # column: key in test_result.json
    "image AUROC": "image_auroc",
    "pixel AUROC": "pixel_auroc",
    "AUPRO": "aupro",
    "balanced score": "score",
    "TPR": "TPR",
    "TNR": "TNR",
}
COLUMNS = (*KEY, *FIGURES, "minutes", "epochs", "precision", "error")
NONE = "–"  # no limit, or a figure that is not defined
MARKS = ("<!-- accuracy -->", "<!-- end of accuracy -->")
EXPLANATION = """\
Written by `python -m benchmarks.accuracy`. Each row is one run of `train.py`,
`finetune.py` and `test.py`; the test leaves out the images that finetuning used.
limit: the cap on the epochs; minutes: all of `train.py`; balanced score: mean of TPR
and TNR."""

Row = dict[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all pairs; return 0, 1 if one failed, or 130 if interrupted."""
    args = parse_arguments(argv)
    load_backend()
    # Several networks in one process look like retracing to TensorFlow.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    runs, rows = read_table(args.out)
    there = {key(row) for row in rows if not row["error"]}
    failed = False
    for chosen in planned(args):
        if args.only_missing and key(chosen) in there:
            continue
        print(f"\n{', '.join(key(chosen))}", flush=True)
        try:
            row = measured(args, chosen)
        except KeyboardInterrupt:
            return command.INTERRUPTED
        failed |= bool(row["error"])
        rows = merged(rows, row)
        if not args.again:
            runs = merged_runs(runs, describe_run(args))
        write_table(args.out, render(runs, rows))
    print(f"table: {args.out}")
    return int(failed)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, help="category folder, such as mvtec/capsule")
    name, help_ = command.one_of(METHODS), "methods to run"
    add("--methods", nargs="+", type=name, default=list(METHODS), help=help_)
    name, help_ = command.one_of(LOSSES), "losses to run each autoencoder with"
    add("--losses", nargs="+", type=name, default=["ssim"], help=help_)
    add("--epochs", type=command.at_least(1), metavar="N", help="cap on the epochs")
    add(
        "--train-options",
        type=shlex.split,
        default=[],
        metavar='"OPTIONS"',
        help="more options of train.py; write it --train-options='--size 128'",
    )
    add("--models", type=Path, default=Path("saved_models"), help="where runs go")
    add("--results", type=Path, default=Path("results"), help="where results go")
    add("--out", type=Path, default=Path("README.md"), help="holds the table")
    add(
        "--only-missing",
        action="store_true",
        help="skip what the table has already, other than errors",
    )
    help_ = "do not train, but finetune and test the newest model of each row again"
    add("--again", action="store_true", help=help_)
    return parser.parse_args(argv)


def planned(args: argparse.Namespace) -> list[Row]:
    """Return `KEY` of every run: an autoencoder has one for each loss."""
    folder = Path(os.path.abspath(args.folder))
    dataset = folder.parent.name or "dataset"  # as `scan_category` names it
    limit = str(args.epochs) if args.epochs else NONE
    pairs = [(name, loss) for loss in args.losses for name in args.methods]
    pairs = [(name, loss if takes_loss(name) else NONE) for name, loss in pairs]
    return [
        dict(zip(KEY, (f"{dataset}/{folder.name}", *pair, limit), strict=True))
        for pair in dict.fromkeys(pairs)
    ]


def takes_loss(method: str) -> bool:
    """Return whether a method is an autoencoder, with a choice of losses."""
    return METHODS[method] == METHODS["mvtecCAE"]


def measured(args: argparse.Namespace, chosen: Row) -> Row:
    """Return the row of a run; a failure goes into its error column."""
    import keras

    keras.utils.clear_session()
    row = {**dict.fromkeys(COLUMNS, ""), **chosen}
    try:
        return {**row, **run(args, chosen)}
    except (Exception, SystemExit) as error:
        print(f"error: {error}", file=sys.stderr)
        return {**row, "error": cell(f"{type(error).__name__}: {error}")}


def run(args: argparse.Namespace, chosen: Row) -> Row:
    """Train, finetune and test one model; return the rest of its row."""
    model, minutes = newest(args, chosen) if args.again else trained(args, chosen)
    for script in (finetune, test):
        call(script.main, ["-p", str(model), "--results", str(args.results)])
    return {**figures(model, args.results), "minutes": minutes}


def trained(args: argparse.Namespace, chosen: Row) -> tuple[Path, str]:
    """Train a model; return its file and the minutes that it took."""
    before = set(models(args, chosen))
    options = ["-d", str(args.folder), "-a", chosen["method"]]
    options += ["--models", str(args.models), *args.train_options]
    if chosen["loss"] != NONE:
        options += ["-l", chosen["loss"]]
    if args.epochs:
        options += ["--epochs", str(args.epochs)]
    start = perf_counter()
    call(train.main, options)
    minutes = (perf_counter() - start) / 60
    (model,) = set(models(args, chosen)) - before
    return model, f"{minutes:.1f}"


def newest(args: argparse.Namespace, chosen: Row) -> tuple[Path, str]:
    """Return the newest model of a row and the minutes that the table says."""
    found = models(args, chosen)
    rows = [row for row in read_table(args.out)[1] if key(row) == key(chosen)]
    if not found or not rows:
        raise RuntimeError(f"no model or no row of {', '.join(key(chosen))} yet")
    return max(found, key=lambda path: path.stat().st_mtime), rows[0]["minutes"]


def models(args: argparse.Namespace, chosen: Row) -> list[Path]:
    """Return the model files of a row's data set, method and loss."""
    folder = args.models / chosen["data set"] / chosen["method"]
    return list(folder.glob(f"{chosen['loss']}/*/{chosen['method']}*.hdf5"))


def figures(model: Path, results: Path) -> Row:
    """Return the figures of a model that was tested."""
    from methods.runs import read_json
    from methods.storage import read_record

    record = read_record(model)
    (path,) = (results / record["run"] / "test").glob("*/test_result.json")
    result = read_json(path, "damaged result")
    return {
        **{column: number(result[name]) for column, name in FIGURES.items()},
        "epochs": str(record["training"].get("epochs", "")),
        "precision": record["training"].get("precision", ""),
    }


def call(script: Callable[[Sequence[str]], int], options: Sequence[str]) -> None:
    """Call a script's `main`, which raises its error because of --debug."""
    code = script([*options, "--debug"])
    if code == command.INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise RuntimeError(f"exit code {code}")


def number(value: float | None) -> str:
    """Return a figure with three digits."""
    return NONE if value is None else f"{value:.3f}"


def cell(text: str) -> str:
    """Return text that fits into one cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "/")


def describe_run(args: argparse.Namespace) -> str:
    """Return the command, but for where files go, and the machine it ran on."""
    words = [str(args.folder), "--methods", *args.methods]
    if any(map(takes_loss, args.methods)):
        words += ["--losses", *args.losses]
    if args.epochs:
        words += ["--epochs", str(args.epochs)]
    if args.train_options:
        words.append(f"--train-options={shlex.join(args.train_options)}")
    options = shlex.join(words)
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [x.partition(":")[2].strip() for x in lines if x.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"`python -m benchmarks.accuracy {options}` ({os.cpu_count()} cores, {name})"


def key(row: Row) -> tuple[str, ...]:
    """Return what makes a row the same run as another."""
    return tuple(row[column] for column in KEY)


def merged(rows: Iterable[Row], new: Row) -> list[Row]:
    """Return the rows sorted by key, `new` in place of an older one of its key."""
    kept = [row for row in rows if key(row) != key(new)]

    def place(row: Row) -> tuple:
        limit = int(row["limit"]) if row["limit"] != NONE else math.inf
        return (*key(row)[:-1], limit)

    return sorted([*kept, new], key=place)


def merged_runs(runs: Sequence[str], new: str) -> list[str]:
    """Return the descriptions of runs with `new` last, each once."""
    return [*(run for run in runs if run != new), new]


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """Return the descriptions of runs and the rows in a table, if it is there."""
    lines = parts(path)[1].splitlines()
    runs = [line[2:] for line in lines if line.startswith("- ")]
    table = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    cells = [[text.strip() for text in row] for row in table]
    if cells and tuple(cells[0]) != COLUMNS:
        raise ValueError(f"{path} has other columns than {', '.join(COLUMNS)}")
    return runs, [dict(zip(COLUMNS, row, strict=True)) for row in cells[2:]]


def parts(path: Path) -> tuple[str, str, str]:
    """Return the text before, between and after the marks of a file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    before, start, rest = text.partition(MARKS[0])
    between, end, after = rest.partition(MARKS[1])
    if text and not (start and end):
        raise ValueError(f"{path} has no table: expected {' and '.join(MARKS)}")
    return before, between, after


def write_table(path: Path, table: str) -> None:
    """Put `table` between the marks of a file, which is made if it is not there."""
    before, _, after = parts(path)
    text = f"{before}{MARKS[0]}\n{table}{MARKS[1]}{after}"
    write_text(path, text if after else f"{text}\n")


def render(runs: Iterable[str], rows: Iterable[Row]) -> str:
    """Return what stands between the marks."""
    lines = [EXPLANATION, "", *(f"- {run}" for run in runs), ""]
    table = [COLUMNS, ("---",) * len(COLUMNS)]
    table += [tuple(row[column] for column in COLUMNS) for row in rows]
    lines += [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
