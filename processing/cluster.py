"""The runs of a sweep as tasks of a Ray cluster (https://docs.ray.io).

All nodes need this package, and the folders that the runs name at the same paths.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from processing import child
from processing.errors import UserError

if TYPE_CHECKING:
    from processing.sweep import Ended, Task

LOCAL, AUTO = "local", "auto"  # this machine alone; the cluster that it is part of
CONNECT = 5.0  # seconds
RETRIES = 3  # of a run whose node dies
MEMORY = 6 * 2**30  # bytes a run: the most of all methods at 256x256 was 5.3 GB

log = logging.getLogger(__name__)


def started(
    script: Path, tasks: Sequence["Task"], address: str
) -> tuple[int, Iterator["Ended"]]:
    """Run a script for all tasks, as many at once as the cluster has room for.

    A run takes all cores that it finds: it gets as many as the smallest node has, a
    GPU if there are any, and `MEMORY` or what the smallest node has. If its node dies,
    it goes on elsewhere.

    Args:
        script: the Python program.
        tasks: its runs.
        address: of the cluster's head (host:port), `AUTO` or `LOCAL`.

    Returns:
        How many run at once, and the tasks as they end.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """
    ray = _connected(address)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [node for node in nodes if node.get("CPU")]
    cpus = min(node["CPU"] for node in nodes)
    gpus = sum(node.get("GPU", 0) for node in nodes)
    memory = min(MEMORY, *(node["memory"] for node in nodes))
    fitting = sum(min(node["CPU"] // cpus, node["memory"] // memory) for node in nodes)
    at_once = int(min(fitting, gpus) if gpus else fitting)
    log.info("%d nodes, %d runs at once", len(nodes), at_once)
    wanted = {"num_cpus": cpus, "num_gpus": min(gpus, 1), "memory": memory}
    remote = ray.remote(max_retries=RETRIES, **wanted)(_run)
    return at_once, _ended(ray, remote, script, tasks)


def _connected(address: str) -> Any:
    """Return the package, connected to the cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would ask the network
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--ray needs the package ray: pip install 'keras-anomaly[cluster]'"
        ) from error
    here = {"include_dashboard": False} if address == LOCAL else {"address": address}
    try:
        if address not in (LOCAL, AUTO):  # Ray would try for minutes
            host, _, port = address.rpartition("/")[2].rpartition(":")
            socket.create_connection((host, int(port)), CONNECT).close()
        ray.init(log_to_driver=False, configure_logging=False, **here)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"--ray {address}: expected host:port of a Ray cluster, auto, or "
            f"{LOCAL}: {reason}"
        ) from error
    return ray


def _run(script: str, task: "Task", folder: str) -> tuple[float, str]:
    """Run a script on a node; return the seconds, and why it failed, if it did."""
    os.chdir(folder)
    try:
        task = task.again() if task.again else task
        if task.finished:  # by a node that died before it could say so
            return 0.0, ""
        return child.run([script, *task.arguments], mortal=True).seconds, ""
    except child.ChildError as error:
        return 0.0, error.reason
    except UserError as error:
        return 0.0, str(error)


def _ended(
    ray: Any, remote: Any, script: Path, tasks: Sequence["Task"]
) -> Iterator["Ended"]:
    """Yield the tasks as they end; whatever happens, nothing runs on afterwards."""
    try:
        folder = os.getcwd()
        running = {remote.remote(str(script), task, folder): task for task in tasks}
        while running:
            [reference], _ = ray.wait(list(running), num_returns=1)
            task = running.pop(reference)
            try:
                yield task, *ray.get(reference)
            except ray.exceptions.RayError as error:
                lost = " ".join(str(error).split())[:200]
                yield task, 0.0, f"lost with its node {RETRIES + 1} times: {lost}"
    finally:
        ray.shutdown()
