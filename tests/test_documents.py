"""The documents: their links, and whether files are as docs/formats.md says."""

import importlib
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from unittest.mock import MagicMock

import pandas as pd
import pytest

from processing.metrics.names import METRICS
from tests.rooms import ROOT
from tests.test_old_models import record_of, unpack

SITE = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *SITE]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def anchors(page):
    """Return the anchors that the headings of a page have."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", x.lower()).replace(" ", "-") for x in headings}


@each_page
def test_links_lead_to_files_and_headings(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8"))
    for link in links:
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
        # The site has nothing else.
        assert page not in SITE or target.is_relative_to(ROOT / "docs"), link


def test_every_page_is_in_the_readme_and_in_the_menu():
    readme, menu = ((ROOT / x).read_text("utf-8") for x in ("README.md", "mkdocs.yml"))
    for page in SITE:
        assert f": {page.name}\n" in menu
        assert f"](docs/{page.name})" in readme or page.name == "changelog.md"


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("material")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "methods.load" in (tmp_path / "reference/index.html").read_text("utf-8")


def documented(section):
    """Return the keys in the table of a section, and those that must be there."""
    page = (ROOT / "docs/formats.md").read_text("utf-8")
    table = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", table, re.MULTILINE)
    keys = [key for key, _ in rows]
    required = {key for key, meaning in rows if not meaning.startswith("optional")}
    if "METRICS" in keys:
        place = keys.index("METRICS")
        keys[place : place + 1] = METRICS
        required = required - {"METRICS"} | set(METRICS)
    return keys, required


def check(section, found):
    """Compare the keys in a file with those that the page has."""
    keys, required = documented(section)
    assert keys
    assert set(found) - set(keys) == set()
    assert required - set(found) == set()


@pytest.fixture(scope="module")
def written(samples, tmp_path_factory):
    """Return the model file and the folder that the scripts write for PaDiM.

    With a decision of a search, one of a rule, and a summary.
    """
    folder = tmp_path_factory.mktemp("written")
    model, results = unpack("PaDiM", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(samples.parent)
        where = ["-p", str(model), "--results", str(results)]
        assert (
            importlib.import_module("finetune").main([*where, "--calibrate", "max"])
            == 0
        )
        assert (
            importlib.import_module("test").main(
                [*where, "--no-report", "--decision", "all"]
            )
            == 0
        )
    return model, results


def test_the_training_record(written):
    check("Training record", record_of(written[0]))


def test_finetuning_results(written):
    paths = list(written[1].rglob("finetuning_result.json"))
    results = [json.loads(path.read_text("utf-8")) for path in paths]
    for result in results:
        check("finetuning_result.json", result)
    optional = {"margin", "calibration"}  # of a search, and of a rule
    assert optional <= {key for result in results for key in result}


def test_results_of_tests(written):
    paths = list(written[1].rglob("test_result.json"))
    assert len(paths) == 2
    for path in paths:
        check("test_result.json", json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("name", ["scores.csv", "regions.csv"])
def test_columns_of_tables(written, name):
    keys, _ = documented(name)
    tables = [pd.read_csv(path) for path in written[1].rglob(name)]
    assert len(tables) == 2
    for table in tables:
        check(name, table.columns)
        assert list(table.columns) == [key for key in keys if key in table.columns]


def test_columns_of_the_summary(written, samples, ran, monkeypatch):
    model, results = written
    monkeypatch.chdir(samples.parent)
    words = ["-p", str(model.parent), "--results", str(results), "--no-report"]
    assert importlib.import_module("test").main(words) == 0
    table = pd.read_csv(results / "summary.csv")
    assert list(table.columns) == documented("summary.csv")[0]
    table = pd.read_csv(results / "summary_seeds.csv")
    columns = [key for key in table.columns if not key.endswith("_sd")]
    assert columns == documented("summary_seeds.csv")[0]


def test_what_a_station_writes(tmp_path):
    from methods.serve.audit import verify
    from methods.serve.store import AUDIT, DATABASE, Result, Store, now

    names = {field.name for field in fields(Result)} - {"corrected", "comment"}
    store = Store(tmp_path)
    values = dict.fromkeys(names, "x") | {"time": now(), "milliseconds": 1}
    store.add([(Result(**values), None)])
    store.correct("x", "good", "somebody")
    store.close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        found = database.execute("SELECT * FROM results").description
    assert [column[0] for column in found] == documented("Station")[0]
    [entry] = verify(tmp_path / AUDIT)
    assert list(entry) == documented("Audit file")[0]


@each_page
def test_files_that_are_named_exist(page):
    text = page.read_text("utf-8")
    paths = set(re.findall(r"\b(?:autoencoder|methods|processing|tests)/[\w./]+", text))
    mine = {x.rstrip(".") for x in paths if "mean_image" not in x and "/A/B" not in x}
    assert {x for x in mine if not (ROOT / x).exists()} == set()


@pytest.mark.usefixtures("eager", "short_epochs")
def test_the_programs_of_the_api_page(samples, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mvtec").mkdir()
    (tmp_path / "mvtec/bottle").symlink_to(samples / "washer")
    (tmp_path / "new_photos").symlink_to(samples / "washer/test/hole")
    loggers = {"mlflow": MagicMock(), "wandb": MagicMock()}  # they are not installed
    for name in loggers:
        place = f"keras_anomaly.{name}_logger.optional"
        monkeypatch.setattr(place, loggers.get)
    page = (ROOT / "docs/api.md").read_text("utf-8")
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(programs) == 7
    program = "\n".join(programs).replace("size=128", "size=32")
    small = 'ka.\\1(weights="random", levels="stage2", '
    exec(re.sub(r"ka\.(PatchCore|PaDiM)\(", small, program), scope := {})
    assert (tmp_path / "bottle.hdf5").is_file()
    assert scope["search"].cv_results_["mean_test_score"].tolist() == [1, 1]
    assert list(tmp_path.glob("logs/train/*"))
    assert re.search(r"^0 [\d.]+ [\d.]+$", capsys.readouterr().out, re.MULTILINE)
    assert loggers["mlflow"].log_metrics.called
