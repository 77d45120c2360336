"""Options of `serve` for what flows in by itself, and out."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from processing.errors import UsageError, UserError
from processing.wording import count

from .parser import at_least

if TYPE_CHECKING:
    from methods.serve.flow import FlowOptions

GIGABYTE = 10**9


def add_flow(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add = parser.add_argument_group("photos by themselves").add_argument
    help_ = "judge what is in FOLDER and comes into it; may be given several times"
    add("--watch", type=Path, action="append", default=[], metavar="FOLDER", help=help_)
    help_ = "take photos from a camera by number, a stream or a film; perhaps several"
    add("--camera", action="append", default=[], metavar="N|URL|FILE", help=help_)
    help_ = "milliseconds from one photo of a camera to the next, at least"
    add("--every", type=at_least(0, float), default=1000, metavar="MS", help=help_)
    help_ = "take photos only when the picture stands still, each still once"
    add("--when-still", action="store_true", help=help_)

    add = parser.add_argument_group("verdicts and alarms").add_argument
    help_ = "alarm when photos that are judged good change, ever by mistake with this "
    alpha = at_least(0, float, highest=0.5)
    help_ += "probability, per station; 0: never"
    add("--drift", type=alpha, default=0.01, metavar="ALPHA", help=help_)
    add("--webhook", metavar="URL", help="post each verdict and alarm to URL")
    help_ = "file whose first line signs what is posted"
    add("--webhook-secret", type=Path, metavar="FILE", help=help_)
    help_ = "publish each verdict and alarm to an MQTT broker, exactly once"
    add("--mqtt", metavar="HOST[:PORT]", help=help_)
    help_ = "they go to TOPIC/verdict and TOPIC/drift"
    add("--mqtt-topic", default="keras-anomaly", metavar="TOPIC", help=help_)
    add("--mqtt-user", metavar="NAME", help="of the broker")
    help_ = "file whose first line is the user's password"
    add("--mqtt-password", type=Path, metavar="FILE", help=help_)
    help_ = "encrypt, and check the broker's certificate"
    add("--mqtt-tls", action="store_true", help=help_)

    add = parser.add_argument_group("what is kept").add_argument
    more_than_none = at_least(1e-6, float)
    help_ = "remove photos and pictures after D days, but those that people judged"
    add("--keep-days", type=more_than_none, metavar="D", help=help_)
    help_ = (
        "remove the oldest photos and pictures above G gigabytes, those that people "
    )
    help_ += "judged last"
    add("--keep-gb", type=more_than_none, metavar="G", help=help_)


def flow_options(options: argparse.Namespace) -> "FlowOptions":
    """Return what flows.

    Raises:
        UsageError: options that are wrong, or that lack another one.
        UserError: a file cannot be read.
    """
    from methods.serve.cameras import Source
    from methods.serve.flow import FlowOptions, client_name
    from methods.serve.mqtt import Broker, check_topic, host_and_port
    from methods.serve.webhook import check_url

    _check_needed(options)
    for folder in options.watch:
        if not folder.is_dir():
            raise UsageError(f"--watch: expected a folder. Received: {folder}")
    for text in options.camera:
        if not text or (Source(text).is_film and not Path(text).is_file()):
            raise UsageError(
                f"--camera: expected a number, a URL or a file. Received: {text}"
            )
    if options.webhook is not None:
        check_url(options.webhook)
    mqtt = None
    if options.mqtt is not None:
        host, port = host_and_port(options.mqtt, options.mqtt_tls)
        mqtt = Broker(
            host=host,
            port=port,
            client=client_name(options.folder),
            topic=check_topic(options.mqtt_topic),
            user=options.mqtt_user,
            password=_secret("--mqtt-password", options.mqtt_password),
            tls=options.mqtt_tls,
        )
    return FlowOptions(
        drift=options.drift,
        folders=tuple(options.watch),
        cameras=tuple(options.camera),
        every=options.every,
        when_still=options.when_still,
        webhook=options.webhook,
        secret=_secret("--webhook-secret", options.webhook_secret),
        mqtt=mqtt,
        keep_days=options.keep_days,
        keep_bytes=round(options.keep_gb * GIGABYTE) if options.keep_gb else None,
    )


def _check_needed(options: argparse.Namespace) -> None:
    """Raise `UsageError` for an option without the one that it goes with."""
    needed = {
        "--webhook-secret": ("--webhook", options.webhook_secret, options.webhook),
        "--mqtt-user": ("--mqtt", options.mqtt_user, options.mqtt),
        "--mqtt-password": ("--mqtt-user", options.mqtt_password, options.mqtt_user),
        "--mqtt-tls": ("--mqtt", options.mqtt_tls, options.mqtt),
        "--when-still": ("--camera", options.when_still, options.camera),
    }
    for option, (other, given, there) in needed.items():
        if given and not there:
            raise UsageError(f"{option} goes with {other}")


def _secret(option: str, path: Path | None) -> bytes | None:
    return read_secret(option, path) if path else None


def read_secret(option: str, path: Path, shortest: int = 1) -> bytes:
    """Return the first line of a file, without spaces around it.

    Args:
        option: that names the file.
        path: of the file.
        shortest: bytes that a secret has at least.

    Raises:
        UserError: it has no such line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{option}: cannot read {path}: {error.strerror}") from error
    secret = lines[0].strip() if lines else b""
    if len(secret) < shortest:
        raise UserError(
            f"{option}: expected at least {count(shortest, 'character')} in the first "
            f"line of {path}. Received: {len(secret)}"
        )
    return secret
