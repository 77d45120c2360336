"""Serve trained models: photos in, verdicts out, by HTTP and on a page."""

import argparse
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from methods.detector.settings import KERAS, RUNTIMES
from methods.serve import LOOPBACK
from processing.errors import UsageError, UserError

from .parser import (
    add_decision,
    add_own_methods,
    at_least,
    new_parser,
    parse,
    program_name,
    run_command,
)
from .paths import read_model
from .serve_flow import add_flow, flow_options, read_secret
from .terminal import say

PACKAGES = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
RAY_EXTRA, RAY_PACKAGES = "serve-cluster", ("ray", "aiohttp")
SHORTEST = 16  # characters of a token


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python3 -m methods.serve`."""
    parser = new_parser(__doc__)
    parser.prog = program_name("methods.serve")
    models = parser.add_argument_group("models")
    help_ = "model files that finetune.py was run on; the first judges unless asked"
    models.add_argument(
        "-p", "--path", type=Path, nargs="+", required=True, metavar="MODEL", help=help_
    )
    add_decision(models)
    add_own_methods(models)
    help_ = "what calculates, see test.py"
    models.add_argument("--runtime", choices=RUNTIMES, default=KERAS, help=help_)
    results, help_ = Path("results"), "where finetune.py put its decisions"
    models.add_argument("--results", type=Path, default=results, help=help_)

    add = parser.add_argument_group("station").add_argument
    help_ = "where results, photos and pictures go; of one process at a time"
    add("--folder", type=Path, default=Path("station"), metavar="FOLDER", help=help_)
    help_ = "address to listen on; any but this machine's own needs --token"
    add("--host", default="127.0.0.1", help=help_)
    add("--port", type=at_least(0, highest=65535), default=8000, help="0: any")
    help_ = f"file whose first line, of at least {SHORTEST} characters, clients send"
    add("--token", type=Path, metavar="FILE", help=help_)
    help_ = "photos that may wait; more are told to come again"
    add("--queue", type=at_least(1), default=64, metavar="N", help=help_)
    help_ = "megabytes of a request at most"
    add("--max-upload", type=at_least(1), default=64, metavar="MB", help=help_)
    help_ = "Ray cluster (host:port, or local for this machine) that judges"
    add("--ray", type=lambda text: text or None, metavar="ADDRESS", help=help_)
    help_ = "judges on the cluster, one on each node unless given"
    add("--replicas", type=at_least(1), metavar="N", help=help_)
    add_flow(parser)
    return parser


def serve(options: argparse.Namespace) -> None:
    """Load the models and serve them until Ctrl-C."""
    token = check_serving(options)
    flow = flow_options(options)
    with listening(options.host, options.port) as listener:
        if options.runtime == KERAS:
            from methods.engine.backend import load_backend

            load_backend()
        from methods.serve.models import load_models
        from methods.serve.replicas import Cluster
        from methods.serve.server import run

        models = load_models(
            options.path, options.results, options.decision, options.runtime
        )
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"http://{host}:{listener.getsockname()[1]}/"
        largest = options.max_upload * 2**20
        started = lambda: say(f"station: {address}")  # noqa: E731
        around = listener, token, options.queue, largest, started
        cluster = Cluster(options.ray, options.replicas) if options.ray else None
        run(options.folder, models, *around, flow, cluster)


def check_serving(options: argparse.Namespace) -> str | None:
    """Raise `UserError` for options that cannot be used; return the token."""
    from methods.detector.decisions import ALL, choose_results
    from methods.detector.runtime import check_runtime
    from methods.jobs.ray_tasks import check_cluster
    from processing.files import check_writable

    if not all(map(find_spec, PACKAGES)):
        raise UserError(
            "the station needs more packages: pip install 'keras-anomaly[serve]'"
        )
    token = read_token(options.token) if options.token else None
    if options.host not in LOOPBACK and token is None:
        raise UsageError(
            f"--host {options.host} is reached by other machines: expected --token "
            "FILE, too"
        )
    if options.replicas and not options.ray:
        raise UsageError("--replicas goes with --ray")
    if options.ray:
        check_cluster(options.ray, RAY_EXTRA, RAY_PACKAGES)
    if options.decision == ALL:
        raise UsageError("--decision all is for test.py: expected one")
    check_runtime(options.runtime)
    for path in options.path:
        record = read_model(path)
        if record.categories and len(record.categories) > 1:
            raise UsageError(f"{path} has several categories: expected a model of one")
        choose_results(record, options.results, None, None, options.decision)
    check_writable(options.folder)
    return token


def read_token(path: Path) -> str:
    """Return the token in a file; a `UserError` if there is none that can be sent."""
    token = read_secret("--token", path, SHORTEST)
    if not all(33 <= code <= 126 for code in token):
        raise UserError(
            f"--token: expected ASCII without spaces in the first line of {path}"
        )
    return token.decode()


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens; a `UserError` for an address that cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}"
        ) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    options = parse(build_parser(), argv)
    return run_command(lambda: serve(options), debug=options.debug)
