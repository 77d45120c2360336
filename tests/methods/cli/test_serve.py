import socket

import pytest

from methods.cli import serve


@pytest.fixture
def called(capsys):
    """Return a function that runs the command line to its one line of error."""

    def call(*words):
        try:
            code = serve.main([*map(str, words)])
        except SystemExit as exit_:
            code = exit_.code
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return code, error

    return call


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ([], 1, "no such model file"),
        (["--host", "0.0.0.0"], 2, "expected --token FILE, too"),
        (["--decision", "all"], 2, "--decision all is for test.py"),
        (["--token", "no_such_file"], 1, "--token: cannot read no_such_file"),
        (["--replicas", "2"], 2, "--replicas goes with --ray"),
        (["--ray", "127.0.0.1:1"], 1, "--ray 127.0.0.1:1: expected host:port of a Ray"),
        (["--ray", "nonsense"], 1, "--ray nonsense: expected host:port of a Ray"),
        (["--port", "70000"], 2, "--port: expected a number of at most 65535"),
    ],
)
def test_wrong_options(called, tmp_path, words, code, line):
    found, error = called("-p", tmp_path / "m.hdf5", *words)
    assert line in error
    assert found == code


@pytest.mark.parametrize("text", ["", "short", "a token with spaces", "é" * 20])
def test_tokens_that_are_none(called, tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text, "utf-8")
    code, error = called("-p", "m.hdf5", "--token", file)
    assert (code, "--token: " in error) == (1, True)
    assert not text or text not in error


def test_the_token_is_the_first_line(tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef\nmore\n")
    assert serve.read_token(tmp_path / "token") == "0123456789abcdef"


def test_packages_that_are_missing(called, monkeypatch):
    monkeypatch.setattr(serve, "PACKAGES", ("no_such_package",))
    code, error = called("-p", "m.hdf5")
    assert (code, "pip install 'keras-anomaly[serve]'" in error) == (1, True)


def test_packages_of_a_cluster_that_are_missing(called, monkeypatch):
    monkeypatch.setattr(serve, "RAY_PACKAGES", ("ray", "no_such_package"))
    code, error = called("-p", "m.hdf5", "--ray", "local")
    assert "pip install 'keras-anomaly[serve-cluster]'" in error
    assert (code, "needs the package no_such_package" in error) == (1, True)


def test_a_port_that_is_taken(called, monkeypatch):
    monkeypatch.setattr(serve, "check_serving", lambda options: None)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, error = called("-p", "m.hdf5", "--port", port)
    assert (code, f"cannot listen on 127.0.0.1, port {port}: " in error) == (1, True)
