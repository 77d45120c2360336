import os
import re

import pytest

from benchmarks.accuracy import (
    COLUMNS,
    MARKS,
    NONE,
    machine,
    main,
    measure,
    merge,
    models,
    newest,
    parse_arguments,
    plan_runs,
    read,
    render,
    setting,
    write_page,
)
from processing.files import write_table
from tests.rooms import ROOT


def made_row(method="mvtecCAE", loss="ssim", options="--epochs 2", **values):
    row = dict.fromkeys(COLUMNS, "")
    key = {"data set": "d/c", "method": method, "loss": loss, "options": options}
    return {**row, **key, **values}


def test_rows_are_sorted_by_key():
    rows = []
    for options in (NONE, "--epochs 9"):
        rows = merge(rows, made_row(options=options))
    rows = merge(rows, made_row("baselineCAE", options=NONE))
    assert [row["options"] for row in rows] == [NONE, "--epochs 9", NONE]
    assert [row["method"] for row in rows] == ["baselineCAE", "mvtecCAE", "mvtecCAE"]


def test_a_row_replaces_the_older_one_of_its_key():
    rows = merge([], made_row(minutes="1.0"))
    rows = merge(rows, made_row(loss="l2", minutes="2.0"))
    rows = merge(rows, made_row(minutes="3.0"))
    assert [(row["loss"], row["minutes"]) for row in rows] == [
        ("l2", "2.0"),
        ("ssim", "3.0"),
    ]


def test_merging_leaves_the_old_rows_alone():
    old = [made_row(minutes="1.0")]
    merge(old, made_row(minutes="2.0"))
    assert old == [made_row(minutes="1.0")]


def test_a_written_table_reads_back(tmp_path):
    path = tmp_path / "table.csv"
    rows = [made_row(TPR="0.500"), made_row(options=NONE, error="a | b, c")]
    write_table(path, rows, COLUMNS)
    assert read(path) == rows


def test_no_table_is_an_empty_one(tmp_path):
    assert read(tmp_path / "none.csv") == []


def test_a_table_with_other_columns_is_not_overwritten(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="other columns"):
        read(path)


def test_the_text_around_the_tables_stays(tmp_path):
    path = tmp_path / "results.md"
    path.write_text(f"above\n{MARKS[0]}\nold\n{MARKS[1]}\nbelow\n", encoding="utf-8")
    for _ in range(2):
        write_page(path, render([made_row()]))
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"above\n{MARKS[0]}\n")
    assert text.endswith(f"{MARKS[1]}\nbelow\n")
    assert "old" not in text
    path.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="has no table"):
        write_page(path, "x")
    write_page(tmp_path / "new.md", "x\n")
    new = (tmp_path / "new.md").read_text("utf-8")
    assert new == f"{MARKS[0]}\nx\n{MARKS[1]}\n"


@pytest.mark.parametrize("name", ["accuracy", "autoencoders"])
def test_the_page_is_that_of_the_table(name):
    page = "results" if name == "accuracy" else name
    text = (ROOT / f"docs/{page}.md").read_text("utf-8")
    rows = read(ROOT / f"benchmarks/{name}.csv")
    assert f"{MARKS[0]}\n{render(rows)}{MARKS[1]}" in text


def test_tables_are_narrow_and_without_runs_that_failed():
    rows = [made_row(TPR="0.500"), made_row("PaDiM", NONE, NONE, error="stopped")]
    page = render(rows)
    assert [line.count("|") - 1 for line in re.findall("^.* --- .*$", page, re.M)] == [
        *(5, 3, 8)
    ]
    assert page.count("| `mvtecCAE -l ssim --epochs 2` |") == 3
    assert "PaDiM" not in page
    assert setting(rows[1]) == "`PaDiM`"


def test_only_missing_skips_rows_but_not_errors(tmp_path, monkeypatch):
    path, page, ran = tmp_path / "table.csv", tmp_path / "page.md", []
    rows = [made_row(TPR="0.500"), made_row(loss="l2", error="stopped")]
    write_table(path, rows, COLUMNS)

    def measure(args, chosen):
        ran.append(chosen["loss"])
        return made_row(loss=chosen["loss"], error="again")

    monkeypatch.setattr("benchmarks.accuracy.measure", measure)
    options = ["d/c", "--methods", "mvtecCAE", "--losses", "ssim", "l2"]
    options += ["--train-options=--epochs 2", "--only-missing"]
    options += ["--table", str(path), "--page", str(page)]
    assert main(options) == 1
    assert ran == ["l2"]
    assert [row["error"] for row in read(path)] == ["again", ""]
    assert "`mvtecCAE -l ssim --epochs 2`" in page.read_text("utf-8")


def test_again_judges_the_newest_model_and_keeps_the_minutes(tmp_path):
    path = tmp_path / "table.csv"
    costs = {"minutes": "20.5", "GB": "1.5", "machine": "2 cores"}
    write_table(path, [made_row(**costs)], COLUMNS)
    options = ["d/c", "--again", "--models", str(tmp_path), "--table", str(path)]
    args = parse_arguments(options)
    with pytest.raises(RuntimeError, match="no model or no row of d/c, mvtecCAE"):
        newest(args, made_row())
    files = [
        tmp_path / f"d/c/mvtecCAE/ssim/{i}/mvtecCAE_b8_e{i}.hdf5" for i in range(3)
    ]
    for age, file in enumerate(files):
        file.parent.mkdir(parents=True)
        file.touch()
        os.utime(file, (age, 100 - age))
    assert newest(args, made_row()) == (files[0], costs)
    with pytest.raises(RuntimeError, match="no model or no row"):
        newest(args, made_row(loss="l2"))


def test_models_of_methods_without_a_loss_lie_by_backbone(tmp_path):
    file = tmp_path / "d/c/PaDiM/efficientnet_lite0/1/PaDiM.hdf5"
    file.parent.mkdir(parents=True)
    file.touch()
    args = parse_arguments(["d/c", "--models", str(tmp_path)])
    assert models(args, made_row("PaDiM", NONE)) == [file]
    assert models(args, made_row("mvtecCAE")) == []


def test_every_loss_is_for_autoencoders_alone():
    args = parse_arguments(
        ["x/d/c", "--methods", "mvtecCAE", "padim", "--losses", "ssim", "l2"]
    )
    assert [(row["method"], row["loss"]) for row in plan_runs(args)] == [
        ("mvtecCAE", "ssim"),
        ("PaDiM", NONE),
        ("mvtecCAE", "l2"),
    ]
    assert {row["data set"] for row in plan_runs(args)} == {"d/c"}


def test_one_command_for_folders_with_options_of_all_and_of_one():
    words = ["d/a/", "d/b", "--methods", "mvtecCAE", "padim", "skipCAE"]
    options = ["skipcae: --lr 1e-3", "--size 64 --mask 'a b'"]
    words += [f"--train-options={option}" for option in options]
    rows = plan_runs(parse_arguments(words))
    assert [row["data set"] for row in rows] == ["d/a"] * 3 + ["d/b"] * 3
    of_all = "--size 64 --mask 'a b'"
    expected = [of_all, of_all, f"--lr 1e-3 {of_all}"]
    assert [row["options"] for row in rows] == expected * 2


def test_a_machine_without_a_gpu_has_cores():
    assert machine() == f"{os.cpu_count()} cores"


def test_a_failing_run_is_a_row_with_its_error(tmp_path):
    args = parse_arguments([str(tmp_path / "none"), "--models", str(tmp_path)])
    row = measure(args, plan_runs(args)[0])
    message = "train.py -d ended with exit code 2: error: no such file or folder: "
    assert row["error"].startswith(message)
    assert row["minutes"] == ""
