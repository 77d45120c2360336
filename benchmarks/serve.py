"""Photos that a station answers a second, beside the judge alone in the same run.

Clients post photos to a station in a process of its own; then the judge in this
process judges the same photos from memory.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from methods.detector.decisions import load_decided
from methods.serve.batching import LARGEST
from processing.decoding.decode import read_pixels

STARTED = "station: "


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path, help="folder")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args(argv)
    files = list(islice(cycle(sorted(options.photos.rglob("*.png"))), options.count))
    seconds, total = posted(options, [file.read_bytes() for file in files])
    alone = judged(options, files)
    p50, p99 = np.percentile(seconds, [50, 99])
    print("| what | photos/s | p50 ms | p99 ms |\n|---|---:|---:|---:|")
    print(f"| station | {len(files) / total:.1f} | {1e3 * p50:.0f} | {1e3 * p99:.0f} |")
    print(f"| judge alone | {len(files) / alone:.1f} | | |")
    print(f"ratio {alone / total:.2f}")
    return 0


def posted(
    options: argparse.Namespace, photos: Sequence[bytes]
) -> tuple[list[float], float]:
    """Return the seconds of each photo, and of all, that clients post to a station."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "methods.serve", "-p", str(options.model)]
        command += ["--results", str(options.results), "--folder", folder, "--port=0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as station:
            assert station.stdout is not None
            lines = (line for line in station.stdout if line.startswith(STARTED))
            address = next(lines).removeprefix(STARTED).strip()

            def post(photo: bytes) -> float:
                headers = {"Content-Type": "image/png"}
                asked = urllib.request.Request(f"{address}api/predict", photo, headers)
                start = time.perf_counter()
                with urllib.request.urlopen(asked) as answer:
                    answer.read()
                return time.perf_counter() - start

            start = time.perf_counter()
            with ThreadPoolExecutor(options.clients) as clients:
                seconds = list(clients.map(post, photos))
            total = time.perf_counter() - start
            station.terminate()
    return seconds, total


def judged(options: argparse.Namespace, files: Sequence[Path]) -> float:
    """Return the seconds that the judge takes for photos, decoding included."""
    where = options.model, None, options.results, None, None
    judge = load_decided(*where).judge
    channels = judge.detector.image_shape[2]

    def judge_all(chosen: Sequence[Path]) -> None:
        for start in range(0, len(chosen), LARGEST):
            part = chosen[start : start + LARGEST]
            pixels = [read_pixels(file, channels) for file in part]
            for verdict in judge.judge_arrays(pixels, LARGEST):
                assert verdict.regions is not None

    judge_all(files[:LARGEST])  # networks are compiled
    start = time.perf_counter()
    judge_all(files)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
