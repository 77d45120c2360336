"""Print what `test.py --watch` makes of files that arrive while it is killed again.

Thousands of files come into a folder over minutes, some damaged in eleven ways, some
slowly, one renewed under its name, while the watching process is killed and started
again. Then every file must have one row in scores.csv, or one line in not_judged.csv,
and memory must not have grown. Run from the repository root: python -m benchmarks.soak
"""

import argparse
import gzip
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import psutil

from methods.jobs import child_process
from methods.pipeline.judging import file_time
from processing.files import read_table
from processing.samples import write_samples

SIDE = 64  # pixels
SLOW = 2.5  # seconds in which a slow file arrives, longer than two looks at the folder
RENEWED = 15.0  # seconds after which a file is renewed under its name
PATIENCE = 120.0  # seconds after the last file arrived
SAMPLED = 10.0  # seconds between two looks at the memory
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40  # 65535 entries, cut off


def encoded(suffix: str, pixels: np.ndarray) -> bytes:
    """Return an image file's bytes."""
    return cv2.imencode(suffix, pixels)[1].tobytes()


def poison(pixels: np.ndarray) -> bytes:
    """Return a PNG file whose checksums are right and whose stream is not."""
    data = encoded(".png", pixels)
    start = data.index(b"IDAT") - 4
    length = int.from_bytes(data[start : start + 4], "big")
    chunk = b"IDAT" + bytes(length)
    crc = zlib.crc32(chunk).to_bytes(4, "big")
    return data[: start + 4] + chunk + crc + data[start + 12 + length :]


def nifti(pixels: np.ndarray, value: float) -> bytes:
    """Return a volume of one slice with one voxel of a value."""
    import nibabel

    voxels = pixels[..., :1].astype(np.float32)
    voxels[5, 5, 0] = value
    return nibabel.Nifti1Image(voxels, np.eye(4)).to_bytes()


def broken_exif(pixels: np.ndarray) -> bytes:
    """Return a JPEG file with an EXIF segment that leads nowhere."""
    data = encoded(".jpg", pixels)
    segment = b"\xff\xe1" + (len(EXIF) + 2).to_bytes(2, "big") + EXIF
    return data[:2] + segment + data[2:]


def halved(data: bytes) -> bytes:
    """Return the first half of a file."""
    return data[: len(data) // 2]


# Ways to damage a file: ending of its name, bytes of pixels, whether it is readable.
# No bytes stand for a folder.
Way = tuple[str, Callable[[np.ndarray], bytes] | None, bool]
WAYS: dict[str, Way] = {
    "truncated JPEG": (".jpg", lambda x: halved(encoded(".jpg", x)), False),
    "truncated PNG": (".png", lambda x: halved(encoded(".png", x)), False),
    "bad stream": (".png", poison, False),
    "empty": (".png", lambda x: b"", False),
    "text": (".png", lambda x: b"no image\n" * 99, False),
    "damaged volume": (".nii.gz", lambda x: halved(gzip.compress(nifti(x, 0))), False),
    "wrong suffix": (".dcm", lambda x: encoded(".png", x), False),
    "folder": (".png", None, False),
    "broken EXIF": (".jpg", broken_exif, True),
    "name in Latin-1": ("_\udce9.png", lambda x: encoded(".png", x), True),
    "NaN in volume": (".nii", lambda x: nifti(x, np.nan), True),
}
GOOD = (".png", ".jpg", ".bmp", ".tif", ".webp")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the soak; return 1 if a file is missing or there twice."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--files", type=int, default=2000, help="that arrive")
    add("--damaged", type=float, default=0.05, help="share of them")
    add("--minutes", type=float, default=10, help="over which they arrive")
    add("--kills", type=int, default=5, help="in the first three quarters")
    add("--folder", type=Path, help="new one for all files; default: a temporary one")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        root = args.folder or Path(temporary)
        soak = Soak(root, *trained(root))
        soak.run(args.files, args.damaged, 60 * args.minutes, args.kills)
        return soak.report()


def trained(root: Path) -> tuple[Path, Path]:
    """Train a small model and decide; return its file and the folder of results."""
    [category] = write_samples(
        root / "data", train=12, good=4, defects=1, size=SIDE, categories=("washer",)
    )
    models, results = root / "models", root / "results"
    words = ["-a", "padim", "--size", str(SIDE), "--weights", "random"]
    words += ["--models", str(models), "-d", str(category)]
    child_process.run(["train.py", *words])
    [model] = models.rglob("*.hdf5")
    words = ["-p", str(model), "--calibrate", "max", "--results", str(results)]
    child_process.run(["finetune.py", *words])
    return model, results


class Soak:
    """A watching process, and what it should make of the files that arrive.

    Args:
        root: of all files.
        model: that watches.
        results: of the model.
    """

    def __init__(self, root: Path, model: Path, results: Path):
        self.arriving, self.log = root / "arriving", root / "watch.log"
        self.arriving.mkdir()
        watch = ["test.py", "--watch", "-p", str(model), "-d", str(self.arriving)]
        self.command = [sys.executable, *watch, "--results", str(results)]
        self.results = results
        self.draws = np.random.default_rng(0)
        good = sorted((root / "data").rglob("good/*.png"))
        self.pictures = [cv2.imread(str(path)) for path in good]
        self.readable: dict[str, bool] = {}  # by name as it is written
        self.kinds: dict[str, str] = {}
        self.renewals = 0
        self.memory: list[tuple[int, float, float]] = []  # process, seconds, MB
        self.processes = 0
        self.halves: list[tuple[float, Path, bytes]] = []  # to be written, and when

    def run(self, files: int, damaged: float, seconds: float, kills: int) -> None:
        """Let files arrive, and kill and start the process meanwhile."""
        kinds = self.draws.permutation(
            [*np.resize(list(WAYS), round(files * damaged))]
            + [""] * (files - round(files * damaged))
        )
        self.start()
        self.begun = time.monotonic()
        moments = [0.75 * seconds * (i + 1) / kills for i in range(kills)]
        renewal = sampled = 0.0
        for number, kind in enumerate(kinds):
            self.arrive(number, str(kind))
            while (now := time.monotonic() - self.begun) < seconds * number / files:
                time.sleep(0.02)
                self.complete(now)
            if moments and now > moments[0]:
                moments.pop(0)
                self.process.kill()
                self.process.wait()
                self.start()
            if now > renewal:
                self.renew()
                renewal = now + RENEWED
            if now > sampled:
                self.sample(now)
                sampled = now + SAMPLED
        self.complete(float("inf"))
        self.settle(files)
        self.sample(time.monotonic() - self.begun)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def start(self) -> None:
        """Start the watching process."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        self.processes += 1

    def arrive(self, number: int, kind: str) -> None:
        """Write a file, of every hundredth the second half later."""
        pixels = self.pictures[number % len(self.pictures)].copy()
        noise = self.draws.integers(0, 8, pixels.shape, np.uint8)
        pixels = cv2.add(pixels, noise)
        suffix = GOOD[number % len(GOOD)]
        suffix, make, readable = WAYS.get(
            kind, (suffix, lambda x: encoded(suffix, x), True)
        )
        path = self.arriving / f"{number % 7}" / f"{number:05d}{suffix}"
        path.parent.mkdir(exist_ok=True)
        name = path.relative_to(self.arriving).as_posix()
        name = name.encode("utf-8", "backslashreplace").decode()
        self.readable[name], self.kinds[name] = readable, kind
        if make is None:
            path.mkdir()
            return
        data = make(pixels)
        if not kind and number % 100 == 99:
            path.write_bytes(halved(data))
            moment = time.monotonic() - self.begun + SLOW
            self.halves.append((moment, path, data))
        else:
            path.write_bytes(data)

    def complete(self, now: float) -> None:
        """Write the second halves whose time has come."""
        for moment, path, data in [x for x in self.halves if x[0] <= now]:
            path.write_bytes(data)
            self.halves.remove((moment, path, data))

    def renew(self) -> None:
        """Put another picture in the place of last.png, as some cameras do."""
        picture = self.pictures[self.renewals % len(self.pictures)]
        temporary = self.arriving / ".last"
        temporary.write_bytes(encoded(".png", picture))
        temporary.replace(self.arriving / "last.png")
        self.renewals += 1

    def sample(self, now: float) -> None:
        """Note the memory of the process."""
        memory = psutil.Process(self.process.pid).memory_info().rss / 1e6
        self.memory.append((self.processes, now, memory))

    def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a table of the process."""
        paths = list(self.results.rglob(f"watch/arriving/{name}"))
        return read_table(paths[0].read_text("utf-8")) if paths else []

    def settle(self, files: int) -> None:
        """Wait until as many files are in the tables, or have had time to be."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            rows = self.table("scores.csv") + self.table("not_judged.csv")
            arrived = len({row["file"] for row in rows} & {*self.readable})
            if arrived == files and self.is_renewed(rows):
                return
            time.sleep(0.5)

    def is_renewed(self, rows: Sequence[dict[str, str]]) -> bool:
        """Return whether the last of the pictures called last.png has a row."""
        changed = file_time((self.arriving / "last.png").stat().st_mtime_ns)
        return changed in [row["time"] for row in rows if row["file"] == "last.png"]

    def report(self) -> int:
        """Print what became of the files, and the memory; return 1 after a fault."""
        scores, listed = self.table("scores.csv"), self.table("not_judged.csv")
        renewed = [row["time"] for row in scores if row["file"] == "last.png"]
        counts = Counter(row["file"] for row in scores if row["file"] != "last.png")
        lines = Counter(row["file"] for row in listed)
        faults = list(self.faults(counts, lines))
        if len({*renewed}) != len(renewed):
            faults.append("last.png: judged twice without a change")
        if not self.is_renewed(scores):
            faults.append("last.png: not judged after its last change")
        print(f"{'files':<18}{'arrived':>8}{'rows':>8}{'lines':>8}")
        for kind in ("", *WAYS):
            names = [name for name, found in self.kinds.items() if found == kind]
            rows, others = (sum(x[name] for name in names) for x in (counts, lines))
            print(f"{kind or 'good':<18}{len(names):>8}{rows:>8}{others:>8}")
        print(f"{'last.png, renewed':<18}{self.renewals:>8}{len(renewed):>8}")
        print(f"\n{'process':>8}{'seconds':>9}{'memory, MB':>12}")
        for process, seconds, memory in self.memory:
            print(f"{process:>8}{seconds:>9.0f}{memory:>12.0f}")
        print(f"\nexit code {self.process.returncode}, {len(faults)} faults")
        print("\n".join(faults))
        return int(bool(faults) or self.process.returncode != 0)

    def faults(self, rows: Counter[str], lines: Counter[str]) -> Iterator[str]:
        """Yield what is wrong with the rows and lines of files."""
        for name, readable in self.readable.items():
            if (rows[name], lines[name]) != (readable, not readable):
                kind = self.kinds[name] or "good"
                yield f"{name} ({kind}): {rows[name]} rows, {lines[name]} lines"
        for name in {*rows, *lines} - {*self.readable, "last.png"}:
            yield f"{name}: never arrived"


if __name__ == "__main__":
    raise SystemExit(main())
