import json
import os
import re
import shlex
import signal
import threading
import urllib.request

import pytest

from methods.cli.serve import build_parser, listening
from methods.serve import server
from methods.serve.store import Filter, Store
from tests.rooms import ROOT

from .conftest import Stub, png

PAGE = (ROOT / "docs/serve.md").read_text("utf-8")
COMMANDS = re.findall(r"(?:python3 -m methods\.|keras-anomaly )serve (-.*)", PAGE)


def test_a_station_runs_until_ctrl_c_and_keeps_what_it_answered(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(server, "GRACE", 5)

    def use(port):
        address = f"http://127.0.0.1:{port}/api/"
        events = urllib.request.urlopen(address + "events")
        headers = {"Content-Type": "image/png"}
        asked = urllib.request.Request(address + "predict", png(250), headers)
        with urllib.request.urlopen(asked) as answer:
            told.append(json.load(answer))
        lines = [events.readline() for _ in range(3)]
        told.append(json.loads(lines[2].removeprefix(b"data: ")))
        os.kill(os.getpid(), signal.SIGINT)  # with a page that is open

    with listening("127.0.0.1", 0) as listener:
        user = threading.Thread(target=use, args=listener.getsockname()[1:2])
        stub = Stub()
        server.run(tmp_path, {"m1": stub}, listener, None, 4, 10_000, user.start)
    user.join(10)
    assert stub.prepared
    assert told[0] == told[1]
    store = Store(tmp_path)
    [kept] = store.find(Filter())[0]
    assert kept.id == told[0]["id"]
    store.close()


def test_the_program_of_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.png").write_bytes(png(250))
    [program] = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)

    def use(port):
        exec(program.replace(":8000", f":{port}"), {})
        os.kill(os.getpid(), signal.SIGINT)

    with listening("127.0.0.1", 0) as listener:
        user = threading.Thread(target=use, args=listener.getsockname()[1:2])
        words = {"m1": Stub()}, listener, None, 4, 10_000, user.start
        server.run(tmp_path / "station", *words)
    user.join(10)
    assert capsys.readouterr().out.startswith("defective 0.98")


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_of_the_page(words):
    assert build_parser().parse_args(shlex.split(words)).path
    assert len(COMMANDS) == 4
