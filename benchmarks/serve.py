"""Photos that a station answers a second, beside the judge alone in the same run.

Clients post photos to a station in a process of its own, `--hostile` of them such as no
station should take; then the judge in this process judges the same photos from memory.
With `--kills` the station is killed and started again while they post, and clients ask
again, with the same key, until they have an answer. In the end all answers are looked
for in the station's store, corrections in its audit file. All of it:

    python3 -m benchmarks.serve model.hdf5 photos --count 5000 --hostile 0.2 --kills 10

Seconds in which the station was not there do not count for the throughput; memory is
that of the last station, and does not tell of those killed before.
"""

import argparse
import contextlib
import json
import queue
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import psutil

from methods.detector.decisions import load_decided
from methods.serve.audit import verify
from methods.serve.batching import LARGEST
from methods.serve.store import AUDIT, DATABASE
from processing.decoding.decode import read_pixels

STARTED = "station: "
CORRECTED = 50  # one of so many photos is corrected
OK, REFUSED = 200, {400, 411, 413, 415, 422}
PATIENCE = 120.0  # seconds in which a station that was killed is there again


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table of both, and what became of the answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path, help="folder")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--hostile", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--kills", type=int, default=0)
    options = parser.parse_args(argv)
    files = list(islice(cycle(sorted(options.photos.rglob("*.png"))), options.count))
    with tempfile.TemporaryDirectory() as folder:
        load = Load(options, Path(folder))
        total = load.run([file.read_bytes() for file in files])
        lost = load.lost()
    alone = judged(options, files)
    rate, judge = len(load.answers) / (total - load.away), len(files) / alone
    p50, p99 = 1e3 * np.percentile(load.seconds, [50, 99])
    start, middle, end = (load.megabytes[i] for i in (0, len(load.megabytes) // 2, -1))
    refused = {x: y for x, y in sorted(load.statuses.items()) if x != OK}
    rows = {
        "photos answered, clients": f"{len(load.answers):,}, {options.clients}",
        "station, photos/s": f"{rate:.1f}",
        "judge alone, photos/s": f"{judge:.1f}",
        "station / judge": f"{rate / judge:.2f}",
        "answer, p50 / p99 ms": f"{p50:.0f} / {p99:.0f}",
        "resident MB, start / middle / end": f"{start} / {middle} / {end}",
        "hostile inputs, refused": f"{load.hostile:,}, {refused}",
        "kills, seconds away": f"{options.kills}, {load.away:.0f}",
        **lost,
    }
    print("| what | |\n|---|---:|")
    print(*(f"| {what} | {found} |" for what, found in rows.items()), sep="\n")
    return int(any(lost.values()))


class Load:
    """Clients of one station.

    Attributes:
        answers: key of each photo's request -> id of the result.
        seconds: until each photo was answered.
        statuses: of all answers, those to hostile inputs too -> how many there were.
        corrections: that were answered.
        megabytes: resident, of the station, at the start and after each tenth.
        hostile: inputs that were answered.
        away: seconds in which the station was started again.
    """

    def __init__(self, options: argparse.Namespace, folder: Path):
        self.options = options
        self.folder = folder
        self.answers: dict[str, str] = {}
        self.seconds: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.corrections = 0
        self.megabytes: list[int] = []
        self.hostile = 0
        self.away = 0.0
        self._station: subprocess.Popen[str] | None = None
        self._address, self._port = "", 0

    def run(self, photos: Sequence[bytes]) -> float:
        """Post photos in the order in which they are, and return the seconds."""
        self._start()
        rng = np.random.default_rng(0)
        todo: queue.SimpleQueue[tuple[str, bytes, bool]] = queue.SimpleQueue()
        for i, photo in enumerate(photos):
            while rng.random() < self.options.hostile:
                todo.put((f"hostile-{todo.qsize()}", hostile(rng, photo), True))
            todo.put((f"photo-{i}", photo, False))
        start, planned = time.perf_counter(), todo.qsize()
        killer = threading.Thread(target=self._kill, args=(planned, todo), daemon=True)
        killer.start()
        with ThreadPoolExecutor(self.options.clients) as clients:
            done = [
                clients.submit(self._work, todo) for _ in range(self.options.clients)
            ]
        for future in done:
            future.result()
        total = time.perf_counter() - start
        killer.join()
        self._end(signal.SIGTERM)
        return total

    def lost(self) -> dict[str, int]:
        """Return how many answers the store lacks or has twice, and audit lines."""
        base = sqlite3.connect(self.folder / DATABASE)
        stored = dict(base.execute("SELECT request, id FROM results"))
        [[rows]] = base.execute("SELECT count(*) FROM results")
        [[applied]] = base.execute("SELECT count(*) FROM corrections")
        lines = sum("result" in entry for entry in verify(self.folder / AUDIT))
        answered = self.answers.items()
        return {
            "answers lost": sum(stored.get(f"{x}/0") != id_ for x, id_ in answered),
            "stored twice, or unasked": rows - len(self.answers),
            "corrections lost": max(self.corrections - applied, 0),
            "audit lines that the database lacks": lines - applied,
        }

    def _work(self, todo: "queue.SimpleQueue[tuple[str, bytes, bool]]") -> None:
        while True:
            try:
                key, body, is_hostile = todo.get_nowait()
            except queue.Empty:
                return
            start = time.perf_counter()
            status, content = self._ask("predict", body, key)
            self.statuses[status] += 1
            if is_hostile:
                assert status in REFUSED, (key, status, content)
                assert "\n" not in content["detail"], content
                self.hostile += 1
                continue
            assert status == OK, (key, status, content)
            self.seconds.append(time.perf_counter() - start)
            self.answers[key] = content["id"]
            if len(self.answers) % CORRECTED == 0:
                said = json.dumps({"verdict": "good", "comment": key}).encode()
                where = f"results/{content['id']}/correction"
                status, content = self._ask(where, said, None)
                assert status == OK, content
                self.corrections += 1

    def _ask(self, where: str, body: bytes, key: str | None) -> tuple[int, dict]:
        """Post until there is an answer; told to come again later, do so."""
        headers = {"Content-Type": "image/png" if key else "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        begun = time.perf_counter()
        while True:
            address = f"{self._address}api/{where}"
            asked = urllib.request.Request(address, body, headers)
            try:
                with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    return error.code, json.load(error)
                self.statuses[503] += 1
            except (OSError, ValueError, HTTPException):  # it was killed meanwhile
                if time.perf_counter() - begun > PATIENCE:
                    raise
            time.sleep(0.2)

    def _kill(self, planned: int, todo: "queue.SimpleQueue") -> None:
        """Kill the station at even distances, and note its memory at each tenth."""
        kills = self.options.kills
        marks = [(planned * (i + 1) // (kills + 1), True) for i in range(kills)]
        marks += [(planned * i // 10, False) for i in range(11)]
        for mark, kill in sorted(marks):
            while planned - todo.qsize() < mark:
                time.sleep(0.05)
            if kill:
                begun = time.perf_counter()
                self._end(signal.SIGKILL)
                self._start()
                self.away += time.perf_counter() - begun
            elif self._station:
                resident = psutil.Process(self._station.pid).memory_info().rss
                self.megabytes.append(resident // 2**20)

    def _start(self) -> None:
        command = [sys.executable, "-m", "methods.serve", "-p", str(self.options.model)]
        command += ["--results", str(self.options.results)]
        command += ["--folder", str(self.folder), f"--port={self._port}"]
        self._station = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._station.stdout is not None
        lines = (x for x in self._station.stdout if x.startswith(STARTED))
        self._address = next(lines).removeprefix(STARTED).strip()
        self._port = int(self._address.rstrip("/").rpartition(":")[2])

    def _end(self, how: signal.Signals) -> None:
        if self._station:
            with contextlib.suppress(ProcessLookupError):
                self._station.send_signal(how)
            self._station.communicate()


def hostile(rng: np.random.Generator, photo: bytes) -> bytes:
    """Return a body that is no photo: cut, changed, of other kinds, or a bomb."""
    kind = rng.integers(6)
    if kind == 0:
        return photo[: rng.integers(1, len(photo) // 2)]
    if kind == 1:
        return rng.bytes(rng.integers(0, 4096))
    if kind == 2:
        return b"<html>not a photo</html>"
    if kind == 3:  # the pixels of a PNG are cut out, its frame is left
        return photo[:60] + photo[-60:]
    if kind == 4:
        return b""
    wide = cv2.imencode(".png", np.zeros((1, 65000), np.uint8))[1].tobytes()
    header = bytearray(wide)
    header[20:24] = (65000).to_bytes(4, "big")  # says that it is 65000 rows high
    return bytes(header)


def judged(options: argparse.Namespace, files: Sequence[Path]) -> float:
    """Return the seconds that the judge takes for photos, decoding included."""
    where = options.model, None, options.results, None, None
    judge = load_decided(*where).judge
    channels = judge.detector.image_shape[2]

    def judge_all(chosen: Sequence[Path]) -> None:
        for part in _parts(chosen):
            pixels = [read_pixels(file, channels) for file in part]
            for verdict in judge.judge_arrays(pixels, LARGEST):
                assert verdict.regions is not None

    judge_all(files[:LARGEST])  # networks are compiled
    start = time.perf_counter()
    judge_all(files)
    return time.perf_counter() - start


def _parts(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    for start in range(0, len(files), LARGEST):
        yield files[start : start + LARGEST]


if __name__ == "__main__":
    sys.exit(main())
