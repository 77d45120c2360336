"""A driver without a cluster, as `Replicas` starts it in a child."""

import os
import time
from pathlib import Path

from methods.serve.batching import Unavailable
from methods.serve.ray_driver import answer
from processing.errors import UserError


class Driver:
    """Judges by what images say; notes in `folder` what it is asked to prepare."""

    count = 2

    def __init__(self, folder):
        self.folder = Path(folder)

    def prepare(self, wanted):
        if "missing" in wanted:
            raise UserError("missing: no such model")
        with (self.folder / "prepared").open("a") as file:
            file.write(" ".join(wanted) + "\n")

    def judge(self, wanted, images):
        if images == ["die"]:
            os._exit(1)
        if images == ["tired"]:
            raise Unavailable("no replica answers")
        if images == ["odd"]:
            raise ZeroDivisionError("odd")
        time.sleep(0.3 if images == ["slow"] else 0)
        return [f"{wanted} {image}" for image in images]


def main(line, folder, station, name, count):
    assert name.startswith(station)
    assert name != station
    if (Path(folder) / "gone").exists():
        line.send((0, UserError("--ray x: no such cluster")))
        return
    driver = Driver(folder)
    line.send((0, count or driver.count))
    answer(line, driver)
    (driver.folder / "closed").touch()


def crash(*_):
    """End before anything was said."""
