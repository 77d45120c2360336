import re
import shlex

import pytest

from methods.cli.serve import build_parser
from methods.cli.serve_flow import flow_options
from processing.errors import UsageError, UserError
from tests.rooms import ROOT

PAGE = (ROOT / "docs/flow.md").read_text("utf-8")
COMMANDS = re.findall(r"^keras-anomaly serve (-.*)", PAGE, re.MULTILINE)


def options(words):
    return flow_options(build_parser().parse_args(["-p", "x", *shlex.split(words)]))


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_of_the_page(words):
    assert build_parser().parse_args(shlex.split(words)).path
    assert len(COMMANDS) == 6


def test_what_is_asked_for(tmp_path):
    (tmp_path / "key").write_text("secret\nmore")
    (tmp_path / "a.avi").touch()
    found = options(
        f"--watch {tmp_path} --camera 1 --camera {tmp_path}/a.avi --drift 0 "
        f"--webhook http://a/b --webhook-secret {tmp_path}/key --mqtt b:99 "
        f"--mqtt-user me --mqtt-password {tmp_path}/key --keep-gb 1.5 --keep-days 2"
    )
    assert found.folders == (tmp_path,)
    assert found.cameras == ("1", f"{tmp_path}/a.avi")
    assert (found.secret, found.mqtt.password) == (b"secret", b"secret")
    assert (found.mqtt.host, found.mqtt.port) == ("b", 99)
    assert (found.keep_bytes, found.keep_days, found.drift) == (1_500_000_000, 2, 0)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--watch no", "--watch: expected a folder. Received: no"),
        (
            "--camera no.avi",
            "--camera: expected a number, a URL or a file. Rec.*no.avi",
        ),
        ("--webhook ftp://a", "--webhook: expected http"),
        ("--mqtt a:b", "--mqtt: expected HOST"),
        ("--mqtt a --mqtt-topic #", "--mqtt-topic: expected"),
        ("--webhook-secret x", "--webhook-secret goes with --webhook"),
        ("--mqtt-tls", "--mqtt-tls goes with --mqtt"),
        ("--mqtt a --mqtt-password x", "--mqtt-password goes with --mqtt-user"),
        ("--when-still", "--when-still goes with --camera"),
    ],
)
def test_options_that_are_wrong(words, text):
    with pytest.raises(UsageError, match=text):
        options(words)


@pytest.mark.parametrize("words", ["--drift 1", "--keep-gb 0", "--every -1"])
def test_numbers_that_are_wrong(words):
    with pytest.raises(SystemExit):
        options(words)


def test_a_secret_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="--webhook-secret: cannot read"):
        options(f"--webhook http://a --webhook-secret {tmp_path}/no")
    (tmp_path / "empty").touch()
    with pytest.raises(UserError, match="expected at least 1 character in"):
        options(f"--webhook http://a --webhook-secret {tmp_path}/empty")
