from dataclasses import replace
from pathlib import Path

import pytest

from methods.detector.decisions import put_in_force, write_decision
from methods.pipeline import comparison, completed, finetuning
from methods.pipeline.run_folder import comparable
from methods.pipeline.testing import RESULT, Options
from processing.errors import UserError
from processing.files import read_table, write_json
from tests.records import finetuning_result, result_of_test, training_record

RUN = "mvtec/bottle/mvtecCAE/a/b/01-02-2026_00-00-00_2"
RECORD = training_record("mvtecCAE", run=RUN, training={"seconds": 5.0})


def write(settings, **changes):
    """Write a finetuning result and a test result."""
    root = settings.results / RUN
    finetuned = finetuning_result().to_json()
    write_json(root / "finetuning/ssim_float64/finetuning_result.json", finetuned)
    changes = {"decided_by": "me", "options": comparable(settings), **changes}
    result = result_of_test(image_auroc=0.75, **changes)
    write_json(root / "test/ssim_float64" / RESULT, result.to_json())


@pytest.fixture
def options(monkeypatch, tmp_path):
    monkeypatch.setattr(comparison, "read_record", lambda _: RECORD)
    return Options(results=tmp_path / "results")


def test_rows_come_from_the_files_of_tests(options):
    write(options)
    failures = [("broken.hdf5", "it is broken")]
    models = [Path("broken.hdf5"), Path("x.hdf5")]
    path = comparison.summarise(models, options, failures)
    assert path == options.results / "summary.html"
    assert "it is broken" in path.read_text()
    table = path.with_suffix(".csv").read_text().splitlines()
    assert len(table) == 2
    assert table[1].startswith("mvtec,bottle,mvtecCAE,a/b,2026-02-01 00:00:00,ssim_")
    assert ",0.875,5.0,2,0.5,me,x.hdf5," in table[1]
    assert f"{RUN}/test/ssim_float64/report.html" in table[1]


def test_images_that_the_report_is_on_choose_no_model(tmp_path, options):
    options = Options(results=options.results, include_finetuning=True, report=False)
    write(options)
    path = comparison.summarise([Path("x.hdf5")], options, [])
    assert ",,5.0,2,0.5,me,x.hdf5," in path.with_suffix(".csv").read_text()
    assert "<a href" not in path.read_text()
    assert "Best model" not in path.read_text()


@pytest.mark.parametrize(
    ("changes", "tested"),
    [({}, True), ({"threshold": 0.6}, False), ({"options": {}}, False)],
)
def test_what_was_tested_otherwise_is_tested_again(options, changes, tested):
    assert not completed.is_tested(RECORD, options)
    write(options, **changes)
    assert completed.is_tested(RECORD, options) == tested


def test_the_decisions_asked_for_are_tested(options):
    """Those in force, by default: which they are is no option of a test."""
    write(options)
    assert completed.is_tested(RECORD, options)
    newer = finetuning_result(threshold=0.75)
    write_decision(RECORD, options.results, "newer", newer)
    for name, tested in ((None, 0), ("newer", 0), ("all", 1), ("ssim_float64", 1)):
        asked = replace(options, decision=name)
        assert not completed.is_tested(RECORD, asked) or name == "ssim_float64"
        assert len(list(completed.tests(RECORD, asked))) == tested
    put_in_force(RECORD, options.results, "ssim_float64")
    assert completed.is_tested(RECORD, options)
    assert not completed.is_tested(RECORD, replace(options, decision="unknown"))


def test_a_decision_of_another_name_is_another(tmp_path):
    asked = finetuning.Options(results=tmp_path)
    made = finetuning_result(options=comparable(asked))
    write_decision(RECORD, tmp_path, "x", made)
    assert completed.is_finetuned(RECORD, asked)
    assert not completed.is_finetuned(RECORD, replace(asked, name="strict"))


def test_nothing_could_be_tested(options):
    with pytest.raises(UserError, match="none of 1 models .* the first: it is broken"):
        comparison.summarise([Path("x")], options, [("x", "it is broken")])
    assert not options.results.exists()


def made(number, seed=42, **options):
    """Return the record of a run whose method has the option `steps`, 10 by default."""
    given = {**options, **({"seed": seed} if seed != 42 else {})}
    config = {"name": "PaDiM", "steps": 10, **{"seed": seed}}
    config |= {key: value for key, value in options.items() if key in config}
    run = f"mvtec/bottle/PaDiM/resnet18/01-02-2026_00-00-{number:02}"
    return training_record("PaDiM", run=run, config=config, options=given)


def test_variants_are_named_by_the_options_that_differ(monkeypatch, tmp_path, caplog):
    caplog.set_level("INFO")
    records = [
        made(1),
        made(2, steps=10),  # its default
        made(3, steps=20, size=[64, 64]),
        made(4, seed=1, steps=20, size=[64, 64]),
        made(5, seed=2, steps=20, size=[64, 64]),
        made(6, pad=True, mask="a.png"),
    ]
    options = Options(results=tmp_path)
    monkeypatch.setattr(comparison, "read_record", lambda path: records[int(str(path))])
    aurocs = iter([0.5, 0.6, 0.7, 0.8, 0.9, 0.4])

    def tests(record, _):
        result = result_of_test(image_auroc=next(aurocs), image_ap=None)
        return [(tmp_path / record.run, result, finetuning_result())]

    monkeypatch.setattr(comparison, "tests", tests)
    path = comparison.summarise([Path(str(i)) for i in range(6)], options, [])
    rows = read_table((tmp_path / "summary.csv").read_text())
    assert [(row["options"], row["seed"]) for row in rows] == [
        ("steps=10", "42"),
        ("steps=10", "42"),
        ("size=64x64 steps=20", "42"),
        ("size=64x64 steps=20", "1"),
        ("size=64x64 steps=20", "2"),
        ("mask=a.png pad steps=10", "42"),
    ]
    means = read_table((tmp_path / "summary_seeds.csv").read_text())
    columns = ("options", "seeds", "image_auroc", "image_auroc_sd", "image_ap")
    assert [tuple(row[key][:6] for key in columns) for row in means] == [
        ("mask=a", "1", "0.4", "", ""),
        ("size=6", "3", "0.7999", "0.1000", ""),
        ("steps=", "1", "0.6", "", ""),
    ]
    named = "PaDiM resnet18 size=64x64 steps=20"
    assert (
        f"image AUROC  0.800 ± 0.100  mvtec: {named} (1 of 1 category)" in caplog.text
    )
    page = path.read_text()
    for text in (
        f'<th scope="col">{named}</th>',
        '<span class="spread">± 0.100</span>',
    ):
        assert text in page
