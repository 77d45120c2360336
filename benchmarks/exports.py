"""Measure exports of trained models: time, memory and difference, in each format.

Run from the repository root: python -m benchmarks.exports MODEL.hdf5 ...
"""

import argparse
import re
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from methods.detector.export import SUFFIXES
from methods.detector.model_file import read_record
from methods.jobs.child_process import run

COLUMNS = (
    *("method", "MB", "format", "seconds", "CPU seconds", "peak GB"),
    *("MB of graph", "difference"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row for each model in each format."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("models", type=Path, nargs="+", help="model files that train.py wrote")
    formats = list(SUFFIXES)
    add("--formats", nargs="+", choices=formats, default=formats, help="to write")
    args = parser.parse_args(argv)
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for model in args.models:
        for graph in args.formats:
            print(f"| {' | '.join(measure(model, graph))} |", flush=True)
    return 0


def measure(model: Path, graph: str) -> tuple[str, ...]:
    """Export a model in a process of its own; return the cells of its row."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"graph{SUFFIXES[graph]}"
        options = ["-p", str(model), "-f", graph, "-o", str(target)]
        before = cpu_seconds()
        done = run(["-m", "methods.export", *options])
        cpu = cpu_seconds() - before
        written = sum(x.stat().st_size for x in Path(folder).rglob("*") if x.is_file())
    [difference] = re.findall(r"maps differ by (\S+)", done.output)
    return (
        read_record(model).method,
        f"{model.stat().st_size / 1e6:.0f}",
        graph,
        f"{done.seconds:.0f}",
        f"{cpu:.0f}",
        f"{done.peak / 1e9:.2f}",
        f"{written / 1e6:.0f}",
        difference,
    )


def cpu_seconds() -> float:
    """Return how long all processors worked for the processes that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    sys.exit(main())
