"""Print how fast Ray clusters of 1, 2, 4 ... nodes with a core each judge and train.

The nodes are processes of this machine: once there are more of them than cores,
nothing is left to gain. Run from the repository root: python -m benchmarks.cluster
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.memory import make_category
from methods.engine.backend import load_backend
from processing.samples import write_samples

PART = 32  # images of a file of scores, for all nodes to have many
SHARD = 256  # training images
DRAWN = 32  # different pictures of each kind; links to them make up the numbers
STORE = 2**28  # bytes of a node's object store
WIDTHS = (8, 16, 19, 18)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row for this process alone, and one for each number of nodes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--nodes", type=int, nargs="+", default=[1, 2, 4], help="numbers of nodes")
    add("--images", type=int, default=1024, help="to judge, and to train on")
    add("--size", type=int, default=256, help="height and width")
    args = parser.parse_args(argv)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    for threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[threads] = "1"
    load_backend()
    print(f"PaDiM at {args.size}x{args.size}, {args.images} images, a core a node")
    print(f"this machine: {os.cpu_count()} cores\n")
    row("nodes", "judged, img/s", "judged in all, s", "sums of training, s")
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), args)
    return 0


def measure(root: Path, args: argparse.Namespace) -> None:
    """Train, then judge, without a cluster and with each."""
    from methods.pipeline import finetuning
    from processing.decision.calibration import Rule

    (drawn,) = write_samples(
        root / "drawn",
        train=DRAWN,
        good=DRAWN,
        defects=DRAWN,
        size=args.size,
        categories=("washer",),
    )
    category = make_category(root / "all/washer", drawn, args.images)
    for index in range(args.images):
        source = drawn / f"train/good/{index % DRAWN:03d}.png"
        os.link(source, category / f"train/good/more_{index:06d}.png")
    model, seconds = train(category, root, args.size, None)
    options = finetuning.Options(rule=Rule(), results=root / "results")
    finetuning.finetune(model, options)
    rate, whole = judged_here(model, category / "test")
    row("none", f"{rate:.1f}", f"{whole:.0f}", f"{seconds:.0f}")
    for nodes in args.nodes:
        cluster = start_cluster(nodes)
        try:
            rate, whole = judged(model, category / "test", root, cluster.address, nodes)
            _, seconds = train(category, root, args.size, cluster.address)
        finally:
            cluster.shutdown()
        row(str(nodes), f"{rate:.1f}", f"{whole:.0f}", f"{seconds:.0f}")


def start_cluster(nodes: int):
    """Return a cluster of nodes with a core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    for _ in range(nodes):
        cluster.add_node(num_cpus=1, object_store_memory=STORE)
    return cluster


def train(
    category: Path, root: Path, size: int, address: str | None
) -> tuple[Path, float]:
    """Train and return the model, and how long that took."""
    from methods.components import sharded_method
    from methods.detector.model_file import read_record
    from methods.pipeline.training import start_run, train_run

    sharded_method.SMALLEST = SHARD
    values = {"weights": "imagenet", "size": (size, size)}
    options = {name: (f"--{name}", value) for name, value in values.items()}
    run, record = start_run(category, "PaDiM", options, root=root / "models")
    run.cluster = address
    model = train_run(run, record)
    return model, read_record(model).training["seconds"]


def judged_here(model: Path, folder: Path) -> tuple[float, float]:
    """Return images a second of this process, and all of its seconds."""
    from methods.detector.model_file import load_model

    begun = time.perf_counter()
    detector, _ = load_model(model)
    images = detector.images(folder, cache_bytes=0)
    batches = detector.judge(images)
    first = len(next(batches).scores)
    warm = time.perf_counter()
    others = sum(len(batch.scores) for batch in batches)
    ended = time.perf_counter()
    assert first + others == len(images)
    return others / (ended - warm), ended - begun


def judged(
    model: Path, folder: Path, root: Path, address: str, nodes: int
) -> tuple[float, float]:
    """Return images a second once all nodes are at work, and all seconds."""
    from methods.pipeline import batch_scoring
    from methods.pipeline.testing import Options

    batch_scoring.PART = PART
    source = folder.rename(folder.with_name(f"test_{nodes}"))
    begun = time.time()
    target, count = batch_scoring.score(
        model, str(source), Options(results=root / "results"), address
    )
    whole = time.time() - begun
    source.rename(folder)
    ends = sorted(path.stat().st_mtime for path in target.glob("part-*"))
    return (count - nodes * PART) / (ends[-1] - ends[nodes - 1]), whole


def row(*cells: str) -> None:
    """Print a row of the table."""
    print("".join(f"{x:<{w}}" for x, w in zip(cells, WIDTHS, strict=True)).rstrip())


if __name__ == "__main__":
    raise SystemExit(main())
