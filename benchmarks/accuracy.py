"""Train, finetune and test on categories and keep the scores in a table and on a page.

Both are written after every run; --only-missing goes on where it stopped.

Run from the repository root: python -m benchmarks.accuracy mvtec/capsule
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from methods import METHODS
from methods.cli.parser import INTERRUPTED, one_of
from methods.jobs.child_process import run as run_child
from processing.data.dataset import category_names
from processing.files import read_table, write_table, write_text

LOSSES = ("ssim", "mssim", "l2")
KEY = ("data set", "method", "loss", "options")
METRICS = {  # column: key in test_result.json
    "image AUROC": "image_auroc",
    "pixel AUROC": "pixel_auroc",
    "AUPRO": "aupro",
    "balanced score": "score",
    "TPR": "TPR",
    "TNR": "TNR",
}
SIZES = ("minutes", "GB", "img/s", "MB")  # what a run takes
COLUMNS = [*KEY, *METRICS, *SIZES, "epochs", "precision", "machine", "error"]
TABLES = (  # on the page, of each data set
    ("image AUROC", "balanced score", "TPR", "TNR"),
    ("pixel AUROC", "AUPRO"),
    (*SIZES, "epochs", "precision", "machine"),
)
NONE = "–"  # no options, or a metric that is not defined
MARKS = ("<!-- accuracy -->", "<!-- end of accuracy -->")
EXPLANATION = """\
Written by `python -m benchmarks.accuracy DATA_SET --methods METHOD --losses LOSS
--train-options="METHOD: OPTIONS"`, any number of each at a time, from a CSV table that
has all columns in one, and the errors of runs that failed. Each row is one run of
`train.py`, `finetune.py` and `test.py`; the test leaves out the images that finetuning
used. balanced score: mean of TPR and TNR; minutes and GB: all of `train.py`, and its
peak memory, without a GPU's own; img/s: judged by the loaded model, with decoding; MB:
the model file."""

Row = dict[str, str]


def main(argv: Sequence[str] | None = None) -> int:
    """Run all pairs; return 0, 1 if one failed, or 130 if interrupted."""
    args = parse_arguments(argv)
    rows = read(args.table)
    present = {key(row) for row in rows if not row["error"]}
    failed = False
    for chosen in plan_runs(args):
        if args.only_missing and key(chosen) in present:
            continue
        print(f"\n{', '.join(key(chosen))}", flush=True)
        try:
            row = measure(args, chosen)
        except KeyboardInterrupt:
            return INTERRUPTED
        failed |= bool(row["error"])
        rows = merge(rows, row)
        write_table(args.table, rows, COLUMNS)
        write_page(args.page, render(rows))
    print(f"page: {args.page}")
    return int(failed)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    help_ = "category folders, such as mvtec/capsule"
    add("folders", nargs="+", type=Path, metavar="folder", help=help_)
    name, help_ = one_of(METHODS), "methods to run"
    add("--methods", nargs="+", type=name, default=list(METHODS), help=help_)
    name, help_ = one_of(LOSSES), "losses to run each autoencoder with"
    add("--losses", nargs="+", type=name, default=["ssim"], help=help_)
    add(
        "--train-options",
        action="append",
        type=train_options,
        default=[],
        metavar='"[METHOD:] OPTIONS"',
        help="more options of train.py, of all methods or of one; can be repeated; "
        "write it --train-options='--size 128'",
    )
    add("--models", type=Path, default=Path("saved_models"), help="where runs go")
    add("--results", type=Path, default=Path("results"), help="where results go")
    table, page = Path("benchmarks/accuracy.csv"), Path("docs/results.md")
    add("--table", type=Path, default=table, help="CSV of all runs")
    add("--page", type=Path, default=page, help="written from the table")
    add(
        "--only-missing",
        action="store_true",
        help="skip what the table has already, other than errors",
    )
    help_ = "do not train, but finetune and test the newest model of each row again"
    add("--again", action="store_true", help=help_)
    return parser.parse_args(argv)


def train_options(text: str) -> tuple[str, list[str]]:
    """Return the method, "" for all, and the options of `METHOD: OPTIONS`."""
    name, options = re.fullmatch(r"(?:(\w+):)?(.*)", text, re.DOTALL).groups()
    return one_of(METHODS)(name) if name else "", shlex.split(options)


def plan_runs(args: argparse.Namespace) -> list[Row]:
    """Return `KEY` of every run: an autoencoder has one for each loss."""
    pairs = [(name, loss) for loss in args.losses for name in args.methods]
    pairs = [(name, loss if takes_loss(name) else NONE) for name, loss in pairs]
    return [
        dict(zip(KEY, (name_of(folder), name, loss, options), strict=True))
        for folder in args.folders
        for name, loss in dict.fromkeys(pairs)
        for options in [options_of(name, args.train_options)]
    ]


def options_of(method: str, given: Iterable[tuple[str, list[str]]]) -> str:
    """Return the options of a method as they stand in the table."""
    words = [word for name, part in given if name in ("", method) for word in part]
    return shlex.join(words) or NONE


def name_of(folder: Path) -> str:
    """Return the data set and category of a folder as one name."""
    return "/".join(category_names(folder))


def takes_loss(method: str) -> bool:
    """Return whether a method is an autoencoder, with a choice of losses."""
    return METHODS[method] == METHODS["mvtecCAE"]


def measure(args: argparse.Namespace, chosen: Row) -> Row:
    """Return the row of a run; a failure goes into its error column."""
    row = {**dict.fromkeys(COLUMNS, ""), **chosen}
    try:
        return {**row, **run(args, chosen)}
    except (RuntimeError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return {**row, "error": " ".join(str(error).split())}


def run(args: argparse.Namespace, chosen: Row) -> Row:
    """Train, finetune and test one model; return the rest of its row."""
    model, costs = newest(args, chosen) if args.again else train(args, chosen)
    for script in ("finetune.py", "test.py"):
        run_child([script, "-p", str(model), "--results", str(args.results)], show=True)
    judged = run_child(["-m", "benchmarks.throughput", str(model)])
    speed = judged.output.splitlines()[-1]
    size = f"{model.stat().st_size / 1e6:.1f}"
    return {**metrics(model, args.results), **costs, "img/s": speed, "MB": size}


def train(args: argparse.Namespace, chosen: Row) -> tuple[Path, Row]:
    """Train a model; return its file, and what the run cost."""
    before = set(models(args, chosen))
    folder = next(x for x in args.folders if name_of(x) == chosen["data set"])
    options = ["-d", str(folder), "-a", chosen["method"]]
    options += ["--models", str(args.models)]
    if chosen["loss"] != NONE:
        options += ["-l", chosen["loss"]]
    if chosen["options"] != NONE:
        options += shlex.split(chosen["options"])
    usage = run_child(["train.py", *options], show=True)
    (model,) = set(models(args, chosen)) - before
    costs = {"minutes": f"{usage.seconds / 60:.1f}", "GB": f"{usage.peak / 1e9:.1f}"}
    return model, {**costs, "machine": machine()}


def newest(args: argparse.Namespace, chosen: Row) -> tuple[Path, Row]:
    """Return the newest model of a row, and what its run cost by the table."""
    files = models(args, chosen)
    rows = [row for row in read(args.table) if key(row) == key(chosen)]
    if not files or not rows:
        raise RuntimeError(f"no model or no row of {', '.join(key(chosen))} yet")
    costs = {column: rows[0][column] for column in ("minutes", "GB", "machine")}
    return max(files, key=lambda path: path.stat().st_mtime), costs


def models(args: argparse.Namespace, chosen: Row) -> list[Path]:
    """Return the model files of a row's data set, method and, if it has one, loss."""
    folder = args.models / chosen["data set"] / chosen["method"]
    variant = "*" if chosen["loss"] == NONE else chosen["loss"]
    return list(folder.glob(f"{variant}/*/{chosen['method']}*.hdf5"))


def metrics(model: Path, results: Path) -> Row:
    """Return the metrics of a model that was tested."""
    from methods.detector.model_file import read_record
    from processing.files import read_json

    record = read_record(model)
    (path,) = (results / record.run / "test").glob("*/test_result.json")
    result = read_json(path)
    return {
        **{column: number(result[name]) for column, name in METRICS.items()},
        "epochs": str(record.training.get("epochs", "")),
        "precision": record.training.get("precision", ""),
    }


def number(value: float | None) -> str:
    """Return a metric with three digits."""
    return NONE if value is None else f"{value:.3f}"


def machine() -> str:
    """Return the GPU that Keras trains on, or else the number of cores."""
    program = "import methods.engine.preloaded\n"  # Keras without what it does not use
    program += "from methods.engine.optimizer import on_gpu; print(on_gpu())"
    return hardware(run_child(["-c", program]).output.split()[-1] == "True")


def hardware(gpu: bool) -> str:
    """Return the name of the GPU, if there is one, or else the number of cores."""
    if not gpu:
        return f"{os.cpu_count()} cores"
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.check_output(query, text=True).splitlines()[0].strip()


def key(row: Row) -> tuple[str, ...]:
    """Return what makes a row the same run as another."""
    return tuple(row[column] for column in KEY)


def merge(rows: Iterable[Row], new: Row) -> list[Row]:
    """Return the rows sorted by key, `new` in place of an older one of its key."""
    others = [row for row in rows if key(row) != key(new)]
    return sorted([*others, new], key=key)


def read(table: Path) -> list[Row]:
    """Return the rows of the table, none if it is not there."""
    rows = read_table(table.read_text("utf-8")) if table.exists() else []
    if rows and list(rows[0]) != COLUMNS:
        raise ValueError(f"{table} has other columns than {', '.join(COLUMNS)}")
    return rows


def write_page(path: Path, tables: str) -> None:
    """Put tables between the marks of a page, which is made if it is not there."""
    text = path.read_text(encoding="utf-8") if path.exists() else "".join(MARKS)
    before, start, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (start and end):
        raise ValueError(f"{path} has no table: expected {' and '.join(MARKS)}")
    after = after or "\n"
    write_text(path, f"{before}{MARKS[0]}\n{tables}{MARKS[1]}{after}")


def render(rows: Iterable[Row]) -> str:
    """Return what stands between the marks: `TABLES` of each data set."""
    parts, done = [EXPLANATION], [row for row in rows if not row["error"]]
    for name in dict.fromkeys(row["data set"] for row in done):
        parts.append(f"### {name}")
        for columns in TABLES:
            head = ["setting", *columns]
            lines = [head, ["---"] * len(head)]
            lines += [
                [setting(row), *(row[column] for column in columns)]
                for row in done
                if row["data set"] == name
            ]
            parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def setting(row: Row) -> str:
    """Return method, loss and options of a row as `train.py` takes them behind -a."""
    loss = "" if row["loss"] == NONE else f" -l {row['loss']}"
    options = "" if row["options"] == NONE else f" {row['options']}"
    return f"`{row['method']}{loss}{options}`"


if __name__ == "__main__":
    raise SystemExit(main())
