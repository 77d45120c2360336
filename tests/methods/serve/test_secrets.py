"""A station that runs, with all its secrets: what it writes has none of them."""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from tests.rooms import ROOT

from .conftest import png, until

TOKEN, SECRET, PASSWORD = "token-of-16-letters", "webhook-key-5", "mqtt-password-7"
STARTED = re.compile(r"station: (http\S+)")


def asked(address, headers, data=None):
    """Return the status of the answer."""
    request = urllib.request.Request(address, data, headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_no_secret_is_in_the_log(model, tmp_path):
    path, results = model
    words = {"token": TOKEN, "webhook-secret": SECRET, "mqtt-password": PASSWORD}
    options = []
    for name, text in words.items():
        (tmp_path / name).write_text(text)
        options += [f"--{name}", str(tmp_path / name)]
    options += ["--mqtt", "127.0.0.1:1", "--mqtt-user", "me", "--port", "0"]
    options += ["--webhook", f"http://127.0.0.1:1/hook?key={SECRET}", "--debug"]
    options += ["-p", str(path), "--results", str(results), "--folder", "station"]
    log = tmp_path / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "methods.serve", *options]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=file, stderr=file
        )
        try:
            address = started(process, log)
            image = {"Content-Type": "image/png"}
            known = image | {"Authorization": f"Bearer {TOKEN}"}
            wrong = image | {"Authorization": f"Bearer {TOKEN}x", "Cookie": TOKEN}
            assert asked(f"{address}api/predict?name={TOKEN}", wrong, b"") == 401
            assert asked(f"{address}api/predict", known, b"no photo") == 422
            assert asked(f"{address}api/predict", known, png(100)) == 200
            until(lambda: "webhook" in log.read_text() and "mqtt" in log.read_text())
        finally:
            process.terminate()
            process.wait(30)
    text = log.read_text()
    assert "cannot reach 127.0.0.1" in text  # the log is there
    for secret in words.values():
        assert secret not in text
    database = (tmp_path / "station/station.sqlite").read_bytes()
    assert not any(secret.encode() in database for secret in words.values())


def started(process, log):
    """Return the address of a station once it listens."""
    end = time.monotonic() + 120
    while not STARTED.search(log.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end
        time.sleep(0.1)
    return STARTED.search(log.read_text())[1]
