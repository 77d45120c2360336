import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WORK = """
import sys
from pathlib import Path
from methods.cli.parser import run_command
def work():
    for number in range(20_000):
        print("größe", number)
    with open(sys.argv[1], "w") as file:
        print("chatter of a library", file=sys.stderr, flush=True)
        file.write("results")
    raise OSError("at last")
sys.exit(run_command(work))
"""


@pytest.mark.parametrize(
    ("shell", "shown"),
    [
        ("| head -1", rb"gr\xf6\xdfe 0" + b"\n"),
        ("| tail -1", rb"gr\xf6\xdfe 19999" + b"\n"),
        (">&- 2>&-", b""),
        ("> /dev/full 2> /dev/full", b""),
        ("2>&- | tail -1", rb"gr\xf6\xdfe 19999" + b"\n"),
    ],
)
def test_output_that_nobody_takes_ends_no_work(tmp_path, shell, shown):
    """Nor does it get into files, or end in a traceback."""
    path, code = tmp_path / "results", tmp_path / "code"
    command = f"( {sys.executable} -c '{WORK}' {path}; echo $? > {code} ) {shell}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    process = subprocess.run(
        command.replace("'", '"').replace(f'"{WORK}"', f"'{WORK}'"),
        shell=True,
        env=environment,
        capture_output=True,
    )
    assert process.stdout == shown
    assert path.read_text() == "results"
    assert code.read_text() == "1\n"
    error = b"chatter of a library\nerror: OSError: at last (--debug shows where)\n"
    assert process.stderr == ("2>" not in shell) * error
