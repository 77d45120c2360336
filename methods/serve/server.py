"""Runs the station in uvicorn."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import uvicorn

from processing.files import working_in

from .app import build_app
from .events import Events
from .flow import Flow, FlowOptions, client_name
from .models import Served
from .replicas import Cluster, Replicas
from .security import Access
from .station import Station

GRACE = 10  # seconds that photos which have come have at the end


class _Server(uvicorn.Server):
    """Ends the streams of open pages first, which would end by themselves never."""

    def __init__(self, config: uvicorn.Config, events: Events):
        super().__init__(config)
        self._events = events

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._events.close()
        super().handle_exit(sig, frame)


def run(
    folder: Path,
    models: dict[str, Served],
    listener: socket.socket,
    token: str | None,
    places: int,
    largest: int,
    started: Callable[[], None],
    options: FlowOptions = FlowOptions(),  # noqa: B008 - it is immutable
    cluster: Cluster | None = None,
) -> None:
    """Serve models until Ctrl-C or SIGTERM, which end it well.

    Args:
        folder: of the station.
        models: by their ids.
        listener: a socket that listens.
        token: see `Access`.
        places: photos that may wait.
        largest: bytes of a request.
        started: is called before the first request is answered.
        options: what flows in by itself, and out.
        cluster: that judges, or None.
    """
    with working_in(folder), _judges(cluster, folder, models) as judges:
        for model in models.values():
            model.prepare()
        events = Events()
        station = Station(folder, models, places, events.publish, judges)
        flow = Flow(station, options, events.tell)
        try:
            app = build_app(station, events, Access(token), largest, flow)
            config = uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
            started()
            _Server(config, events).run(sockets=[listener])
        except KeyboardInterrupt:
            return
        finally:
            flow.stop_feeding()
            station.close()


@contextmanager
def _judges(
    cluster: Cluster | None, folder: Path, models: dict[str, Served]
) -> Iterator[int]:
    """Let a cluster judge for models, if there is one; yield how many judge at once."""
    if cluster is None:
        yield 1
        return
    with closing(Replicas(cluster, client_name(folder))) as replicas:
        for place, model in models.items():
            models[place] = replace(model, replicas=replicas)
        yield replicas.count
