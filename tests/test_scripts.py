"""The three scripts as a user runs them, on tiny images."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

import finetune
import test as script
import train
from processing.metrics.image_metrics import RANKED
from processing.metrics.pixel_metrics import PIXEL_METRICS, PixelMetrics
from tests.conftest import draw_nothing

pytestmark = pytest.mark.usefixtures("eager_file", "few_layers")
ROOT = Path(__file__).parent.parent
QUICK = ["--size", "64", "--epochs", "1", "--lr", "0.002", "--precision", "float32"]


def run(main, arguments, folder, monkeypatch):
    """Run a script in `folder` and return its exit code."""
    monkeypatch.chdir(folder)
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return stop.code


def error_line(capsys):
    """Return the one line on stderr."""
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def usage_error(capsys):
    """Return the error that argparse puts under its usage."""
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def trained(samples, tmp_path_factory):
    """Return a folder in which train.py and finetune.py were run, and the model."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
        draw_nothing(patch)
        options = ["-d", samples / "washer", "-i", *QUICK]
        assert run(train.main, options, folder, patch) == 0
        [model] = folder.glob("saved_models/samples/washer/mvtecCAE/ssim/*/*.hdf5")
        assert run(finetune.main, ["-p", model], folder, patch) == 0
    return folder, model


def results_of(folder, model, kind):
    """Return the only folder of results of this kind."""
    results = folder / "results/samples/washer/mvtecCAE/ssim"
    [outputs] = filter(Path.is_dir, results.glob(f"*/{kind}/*"))
    assert outputs.parts[-3] == model.parent.name
    return outputs


def test_files_of_a_training(trained):
    _, model = trained
    run_folder = model.parent
    names = {path.name for path in run_folder.iterdir()}
    assert {"info.json", "history.csv", "loss_plot.png", "logs", "run.json"} <= names
    assert "checkpoint.h5" not in names
    assert model.name == "mvtecCAE_b8_e1.hdf5"
    info = json.loads((run_folder / "info.json").read_text())
    splits = info["splits"]
    assert len(splits["fit"]) == 11
    assert len(splits["validation"]) == 1
    assert not set(splits["fit"]) & set(splits["validation"])
    assert info["versions"]["keras"]
    with (run_folder / "history.csv").open() as file:
        assert set(next(csv.DictReader(file))) >= {"epoch", "loss", "val_loss"}
    inspected = sorted(path.name for path in run_folder.glob("inspection_test/*"))
    assert len(inspected) == 16
    assert "good_000_inspection.png" in inspected


def test_files_of_a_finetuning(trained):
    folder, model = trained
    outputs = results_of(folder, model, "finetuning")
    assert outputs.name == "ssim_float64"
    result = json.loads((outputs / "finetuning_result.json").read_text())
    assert result["best_min_area"] >= 1
    assert 0 <= result["best_score"] <= 1
    assert result["good_level"] < result["best_threshold"]
    low, high = result["score_interval_95"]
    assert low <= result["best_score"] <= high
    assert result["seed"] == 42
    classes = [Path(name).parts[1] for name in result["finetuning_files"]]
    assert classes.count("good") == 2
    assert len(classes) - classes.count("good") >= 2
    assert (outputs / "min_area_threshold_plot.png").stat().st_size > 5000
    assert (outputs / "scores_plot.png").stat().st_size > 5000


def test_judges_what_finetuning_has_not_seen(trained, monkeypatch, capsys):
    folder, model = trained
    assert run(script.main, ["-p", model, "-s"], folder, monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "image AUROC" in printed
    outputs = results_of(folder, model, "test")
    result = json.loads((outputs / "test_result.json").read_text())
    finetuned = json.loads(
        (folder / "results" / outputs.relative_to(folder / "results")).parent.parent
        .joinpath("finetuning", outputs.name, "finetuning_result.json").read_text()
    )  # fmt: skip
    with (outputs / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = {row["file"] for row in rows}
    assert len(names) + len(finetuned["finetuning_files"]) == 16
    assert not names & set(finetuned["finetuning_files"])
    counts = result["confusion"]
    assert sum(counts.values()) == len(rows) == result["images"]
    defective = [row for row in rows if row["label"] == "defective"]
    found_defects = sum(row["verdict"] == "defective" for row in defective)
    assert result["TPR"] == found_defects / len(defective)
    assert 0 <= result["image_auroc"] <= 1
    assert result["undefined"] == {}
    for key in (*RANKED, *PIXEL_METRICS):
        assert 0 <= result[key] <= 1
        for name, of_class in result["classes"].items():
            assert (key in of_class) == (name != "good")
    for key, (low, high) in result["intervals_95"].items():
        assert 0 <= low <= high <= 1, key
    assert sum(row["images"] for row in result["classes"].values()) == len(rows)
    for row in rows:
        stem = row["file"].removeprefix("test/").removesuffix(".png").replace("/", "_")
        mask = cv2.imread(str(outputs / "segmentation" / f"{stem}_seg.png"), 0)
        assert mask.shape == (64, 64)
        assert set(np.unique(mask)) <= {0, 255}
        assert mask.any() == (row["verdict"] == "defective")
        looked_at = "defective" in (row["verdict"], row["label"])
        for kind in ("overlay", "heatmap"):
            path = outputs / "segmentation" / f"{stem}_{kind}.png"
            assert path.exists() == looked_at
    table = (outputs / "classification.txt").read_text()
    assert table.startswith("min_area = ")
    assert len(table.splitlines()) == len(rows) + 3
    page = (outputs / "report.html").read_text(encoding="utf-8")
    assert f"Found {counts['true_positives']} of {len(defective)} defects" in page
    for key in ("TPR", "TNR", "score", "image_auroc", "pixel_auroc", "aupro", "iou"):
        assert f'data-metric="{key}">{result[key]:.3f}<' in page
    for name in ("roc", "pr", "pro", "histogram"):
        assert (outputs / f"{name}_plot.png").stat().st_size > 10_000


def test_without_a_report_nothing_is_left_of_an_earlier_one(trained, monkeypatch):
    folder, model = trained
    assert run(script.main, ["-p", model], folder, monkeypatch) == 0
    outputs = results_of(folder, model, "test")
    assert (outputs / "report.html").exists()
    assert run(script.main, ["-p", model, "--no-report"], folder, monkeypatch) == 0
    assert not [*outputs.glob("report*"), *outputs.glob("*_plot.png")]
    assert (outputs / "test_result.json").exists()


def test_include_finetuning_judges_all(trained, monkeypatch, tmp_path, capsys):
    folder, model = trained
    options = ["-p", model, "--include-finetuning"]
    assert run(script.main, options, folder, monkeypatch) == 0
    outputs = results_of(folder, model, "test")
    assert json.loads((outputs / "test_result.json").read_text())["images"] == 16


def test_exact_keeps_all_scores(trained, monkeypatch, capsys):
    folder, model = trained
    kept = []

    class Metrics(PixelMetrics):
        def __init__(self, *, exact):
            super().__init__(exact=exact)
            kept.append(self.kept)

    monkeypatch.setattr("methods.pipeline.evaluation.PixelMetrics", Metrics)
    for options in ([], ["--exact"]):
        assert run(script.main, ["-p", model, *options], folder, monkeypatch) == 0
    assert kept[0] < kept[1] == float("inf")


@pytest.mark.parametrize("single", [False, True])
def test_judges_new_images(trained, samples, monkeypatch, capsys, single, tmp_path):
    folder, model = trained
    new = tmp_path / "neue Teile ä"
    new.mkdir()
    for i in range(2):
        source = samples / f"washer/test/hole/00{i}.png"
        (new / f"photo {i}.png").write_bytes(source.read_bytes())
    images = new / "photo 1.png" if single else new
    assert run(script.main, ["-p", model, "-d", images, "-s"], folder, monkeypatch) == 0
    printed = capsys.readouterr().out
    assert f"of {1 if single else 2} images" in printed
    newest = max(
        folder.glob("results/samples/washer/mvtecCAE/ssim/*/predict/*"),
        key=lambda path: path.stat().st_mtime_ns,
    )
    with (newest / "scores.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert set(rows) == ({"photo 1.png"} if single else {"photo 0.png", "photo 1.png"})
    assert (newest / "segmentation/photo 1_seg.png").exists()
    page = (newest / "report.html").read_text(encoding="utf-8")
    assert f"of {1 if single else 2} image" in page
    assert json.dumps(str(new / "photo 1.png")) in page  # to be labelled


@pytest.mark.parametrize(
    "options", [["-m", "l2"], ["-t", "uint8"], ["--clear-border"], ["--legacy"]]
)
def test_finetune_options_change_the_decision(trained, options, monkeypatch, tmp_path):
    folder, model = trained
    options = ["-p", model, "--results", tmp_path, *options]
    assert run(finetune.main, options, folder, monkeypatch) == 0
    [path] = tmp_path.glob("**/finetuning_result.json")
    result = json.loads(path.read_text())
    if "-m" in options:
        assert result["method"] == "l2"
    elif "-t" in options:
        assert result["dtype"] == "uint8"
        assert result["best_threshold"] == int(result["best_threshold"])
    else:
        assert result["clear_border"]
        assert result["method"].startswith("legacy-") == ("--legacy" in options)
    assert (
        run(script.main, ["-p", model, "--results", tmp_path], folder, monkeypatch) == 0
    )
    [path] = tmp_path.glob("**/test_result.json")
    assert json.loads(path.read_text())["threshold"] == result["best_threshold"]


def test_goals_and_what_they_promise(trained, monkeypatch, tmp_path, capsys):
    folder, model = trained

    def finetuned(*options):
        options = ["-p", model, "--results", tmp_path, *options]
        assert run(finetune.main, options, folder, monkeypatch) == 0
        paths = tmp_path.glob("**/finetuning_result.json")
        newest = max(paths, key=lambda path: path.stat().st_mtime_ns)
        return newest.parent.name, json.loads(newest.read_text())

    name, result = finetuned("--max-false-alarms", "0.05")
    assert name == "ssim_float64_max-false-alarms-0.05"
    assert result["goal"] == "at most 0.05 false alarms"
    promise, printed = result["promise"], capsys.readouterr().out
    assert (promise["asked"], promise["kept"], promise["needed"]) == (0.05, False, 90)
    assert promise["good_images"] == len(result["binding"]) == 3
    assert "not kept:     0.05 takes 90 images without one" in printed
    assert f"at most {promise['false_alarm_bound']:.3g} of all" in printed

    worst = next(name for name in result["binding"] if name.startswith("test/"))
    _, without = finetuned("--max-false-alarms", "0.05", "--exclude", worst)
    assert without["excluded"] == [worst]
    assert worst not in without["binding"]
    assert "judged before" in capsys.readouterr().out  # none of them again

    name, result = finetuned("--threshold", "0.375", "--min-area", "30")
    assert (name, result["source"]) == ("ssim_float64_by-hand", "the user")
    assert (result["best_threshold"], result["best_min_area"]) == (0.375, 30)
    assert (result["finetuning_files"], result["best_score"]) == ([], None)

    for options, message in (
        (["--exclude", "no.png"], "--exclude: expected good images to decide from"),
        (["--folds", "5"], "mvtecCAE would have to be trained anew"),
        (["--clear-border", "--min-recall", "0.9"], "expected --goal validation-max"),
    ):
        assert run(finetune.main, ["-p", model, *options], folder, monkeypatch) == 2
        assert message in error_line(capsys)


def test_without_defective_images(samples, trained, monkeypatch, tmp_path, capsys):
    folder, model = trained
    category = tmp_path / "only good"
    (category / "test").mkdir(parents=True)
    (category / "train").symlink_to(samples / "washer/train")
    (category / "test/good").symlink_to(samples / "washer/test/good")
    options = ["-p", model, "-d", category, "--results", tmp_path / "results"]
    assert run(finetune.main, options, folder, monkeypatch) == 0
    assert "from the good validation images alone" in capsys.readouterr().out
    options = ["-p", model, "--category", category, "--results", tmp_path / "results"]
    assert run(script.main, options, folder, monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "image AUROC    undefined" in printed
    assert "undefined, because there are no defective images: TPR, " in printed
    assert "on 4 good images" in printed  # none was used up


def test_resumed_run_ends_like_an_uninterrupted_one(
    samples, short_epochs, monkeypatch, tmp_path, capsys
):
    """Stop after two of four epochs, as a kill would, and go on."""
    from methods.pipeline.run_folder import TrainingRun

    options = ["-d", samples / "washer", *QUICK, "--size", "32", "--epochs", "4"]
    options += ["-a", "AE", "--latent", "4"]
    assert run(train.main, options, tmp_path, monkeypatch) == 0
    save = TrainingRun.save

    def save_and_stop(self, arrays, state):
        save(self, arrays, state)
        if state["epochs"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save", save_and_stop)
        options += ["--models", "stopped"]
        assert run(train.main, options, tmp_path, monkeypatch) == 130
    [stopped] = tmp_path.glob("stopped/samples/washer/AE/l2/*")
    assert not list(stopped.glob("*.hdf5"))
    checkpoint = stopped / "checkpoint.h5"
    whole = checkpoint.read_bytes()
    with h5py.File(checkpoint, "a") as file:
        state = json.loads(file.attrs["state"])
        file.attrs["state"] = json.dumps({**state, "waiting": "x"})
    assert run(train.main, ["--resume", stopped], tmp_path, monkeypatch) == 1
    assert (
        f"error: {checkpoint} is damaged: waiting: expected int. Received: 'x'\n"
        in capsys.readouterr().err
    )
    checkpoint.write_bytes(whole)
    (stopped / ".checkpoint-half.h5").touch()  # as a kill while writing leaves it
    assert run(train.main, ["--resume", stopped], tmp_path, monkeypatch) == 0
    assert not list(stopped.glob("*checkpoint*"))
    losses = []
    for path in sorted(tmp_path.glob("*/samples/washer/AE/l2/*/history.csv")):
        with path.open() as file:
            losses.append([float(row["val_loss"]) for row in csv.DictReader(file)])
    assert len(losses[0]) == len(losses[1]) == 4
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    assert run(train.main, ["--resume", stopped], tmp_path, monkeypatch) == 2


def test_calibration_on_good_images_alone(trained, monkeypatch, tmp_path, capsys):
    folder, model = trained
    options = ["-p", model, "--results", tmp_path, "--calibrate", "conformal"]
    options += ["--false-alarm", "0.2", "--min-area", "7"]
    assert run(finetune.main, options, folder, monkeypatch) == 0
    printed = capsys.readouterr().out
    assert "takes at least 4 good validation images, there are 1" in printed
    [path] = tmp_path.glob("**/finetuning_result.json")
    assert path.parent.name == "ssim_float64_conformal"
    result = json.loads(path.read_text())
    assert result["best_min_area"] == 7
    assert result["finetuning_files"] == []
    assert result["calibration"]["name"] == "conformal"
    assert result["calibration"]["good_scores"] == [result["best_threshold"]]
    options = ["-p", model, "--results", tmp_path]
    assert run(script.main, options, folder, monkeypatch) == 0
    [path] = tmp_path.glob("**/test/ssim_float64_conformal/scores.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16  # finetuning took none of them
    for row in rows:  # of two: at or above the only good score, or below it
        assert float(row["p_value"]) == (0.5 if row["verdict"] == "defective" else 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--false-alarm", "0.1"], "--false-alarm goes with --calibrate conformal"),
        (["--min-area", "9"], "--min-area goes with --calibrate"),
        (["--calibrate", "maximum"], "did you mean max?"),
        (["--calibrate", "quantile", "--sigmas", "2"], "goes with --calibrate ksigma"),
        (["--goal", "balanced", "--legacy"], "expected one of --goal, --legacy"),
        (["--cost", "20:1", "--min-recall", "0.9"], "one of --min-recall, --cost"),
        (["--cost", "20"], "expected MISS:FALSE_ALARM, such as 20:1. Received: 20"),
        (["--defect-rate", "0.1"], "--defect-rate goes with --cost"),
        (["--threshold", "1"], "--threshold goes with --min-area"),
        (["--min-recall", "1"], "expected a number between 0 and 1. Received: 1"),
    ],
)
def test_numbers_without_their_rule(options, message, tmp_path, monkeypatch, capsys):
    assert run(finetune.main, ["-p", "x", *options], tmp_path, monkeypatch) == 2
    assert message in usage_error(capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["conformal", "--false-alarm", "3"], "between 0 and 1. Received: 3"),
        (["max", "--min-area", "5000"], "at most the 4096 pixels of the maps"),
    ],
)
def test_numbers_out_of_range(trained, options, message, monkeypatch, capsys):
    folder, model = trained
    options = ["-p", model, "--calibrate", *options]
    assert run(finetune.main, options, folder, monkeypatch) == 2
    assert message in error_line(capsys)


def test_config_file_gives_defaults(
    samples, short_epochs, monkeypatch, tmp_path, capsys
):
    config = tmp_path / "options.yaml"
    config.write_text(
        f"input-dir: {samples}/washer/\nsize: 64\nepochs: 3\nlr: 0.001\nloss: l2\n"
    )
    options = ["--config", config, "--epochs", "1", "--precision", "float32"]
    assert run(train.main, options, tmp_path, monkeypatch) == 0
    [info] = tmp_path.glob("saved_models/samples/washer/mvtecCAE/l2/*/info.json")
    assert json.loads(info.read_text())["training"]["epochs"] == 1
    config.write_text("lose: l2\n")
    assert run(train.main, ["--config", config], tmp_path, monkeypatch) == 2
    assert "unknown option 'lose'; did you mean loss?" in usage_error(capsys)


@pytest.mark.parametrize(
    ("main", "options", "message"),
    [
        (train.main, ["-d", "x", "-a", "mvtecCEA"], "did you mean mvtecCAE?"),
        (train.main, ["-d", "x", "-l", "sim"], "did you mean ssim?"),
        (train.main, ["-d", "x", "-b", "0"], "at least 1. Received: 0"),
        (train.main, [], "required: -d/--input-dir"),
        (finetune.main, [], "required: -p/--path"),
        (script.main, [], "required: -p/--path"),
    ],
)
def test_wrong_arguments_exit_with_2(
    main, options, message, tmp_path, monkeypatch, capsys
):
    assert run(main, options, tmp_path, monkeypatch) == 2
    assert message in usage_error(capsys)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-d", "nowhere"], 2, "no such file or folder: .*nowhere"),
        (["-d", "."], 1, "train/good"),
        (["-d", "{washer}", "--size", "100"], 2, "multiples of 32 .*100x100"),
        (
            ["-d", "{washer}", "--size", "160", "-l", "mssim"],
            2,
            "at least 176 .*160x160",
        ),
        (["--resume", "."], 2, "not a run folder"),
    ],
)
def test_one_line_for_bad_input(
    samples, options, code, message, tmp_path, monkeypatch, capsys
):
    import re

    options = [option.format(washer=samples / "washer") for option in options]
    assert run(train.main, options, tmp_path, monkeypatch) == code
    assert re.search(message, error_line(capsys))
    assert not list(tmp_path.iterdir())


def test_models_that_cannot_be_used(trained, monkeypatch, tmp_path, capsys):
    folder, model = trained
    for main in (finetune.main, script.main):
        assert run(main, ["-p", tmp_path / "no.hdf5"], folder, monkeypatch) == 1
        assert "no such model file" in error_line(capsys)
    options = ["-p", model, "--results", tmp_path]
    assert run(script.main, options, folder, monkeypatch) == 1
    assert "run finetune.py first" in error_line(capsys)


def test_a_folder_of_models_is_compared(trained, ran, monkeypatch, tmp_path, capsys):
    folder, model = trained
    models = tmp_path / "models"
    for name in ("a", "b"):
        (models / name).mkdir(parents=True)
        (models / name / model.name).write_bytes(model.read_bytes())
    results = folder / "results"
    options = ["-p", models, "--results", results]
    assert run(script.main, options, folder, monkeypatch) == 0
    assert f"results: {results / 'summary.html'}" in capsys.readouterr().out
    with (results / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == [
        str(models / name / model.name) for name in ("a", "b")
    ]
    outputs = results_of(folder, model, "test")
    result = json.loads((outputs / "test_result.json").read_text())
    assert float(rows[0]["image_auroc"]) == result["image_auroc"]
    assert rows[0]["category"] == "washer"
    assert (results / rows[0]["report"]).samefile(outputs / "report.html")
    page = (results / "summary.html").read_text(encoding="utf-8")
    assert f"{result['image_auroc']:.3f}" in page

    (models / "a/broken.hdf5").write_bytes(model.read_bytes()[:2000])
    assert run(script.main, options, folder, monkeypatch) == 1
    assert "runs that failed: 1: " in capsys.readouterr().err.splitlines()[-1]
    page = (results / "summary.html").read_text(encoding="utf-8")
    assert "1 model could not be tested" in page
    assert "broken.hdf5" in page


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 1, "no model files .* in .*empty"),
        (["-d", "x"], 2, "a folder of models, each with its own category"),
        (["--category", "x"], 2, "a folder of models, each with its own category"),
    ],
)
def test_folders_that_cannot_be_compared(
    options, code, message, monkeypatch, tmp_path, capsys
):
    import re

    (tmp_path / "empty").mkdir()
    options = ["-p", tmp_path / "empty", *options]
    assert run(script.main, options, tmp_path, monkeypatch) == code
    assert re.search(message, error_line(capsys))


def test_debug_shows_the_traceback(tmp_path, monkeypatch):
    from processing.errors import UsageError

    with pytest.raises(UsageError):
        run(train.main, ["-d", "nowhere", "--debug"], tmp_path, monkeypatch)


def test_users_three_lines_with_awkward_paths(
    samples, short_epochs, monkeypatch, tmp_path
):
    """Relative, absolute, with a trailing slash, spaces and umlauts: same names."""
    work = tmp_path / "mit Leerzeichen ü"
    (work / "mvtec").mkdir(parents=True)
    (work / "mvtec/capsule").symlink_to(samples / "washer")
    options = ["-a", "mvtecCAE", "-l", "ssim", *QUICK, "--size", "32", "-d"]
    assert run(train.main, [*options, "mvtec/capsule"], work, monkeypatch) == 0
    with monkeypatch.context() as patch:  # a run has its name before it is trained
        patch.setattr("methods.pipeline.training.train_run", lambda *_, **__: "m.hdf5")
        for folder in (work / "mvtec/capsule/", "mvtec/../mvtec/capsule/."):
            assert run(train.main, [*options, folder], work, monkeypatch) == 0
    runs = work / "saved_models/mvtec/capsule/mvtecCAE/ssim"
    assert len(list(runs.glob("*/run.json"))) == 3
    [model] = (path.relative_to(work) for path in runs.glob("*/*.hdf5"))
    assert run(finetune.main, ["-p", model], work, monkeypatch) == 0
    assert run(script.main, ["-p", model, "-s"], work, monkeypatch) == 0
    assert {path.name for path in work.iterdir()} == {
        "mvtec",
        "results",
        "saved_models",
    }


@pytest.mark.parametrize("name", ["train.py", "finetune.py", "test.py"])
def test_help_imports_nothing_heavy(name):
    """Time is for benchmarks; what takes the time is what is imported."""
    code = (
        f"import runpy, sys; sys.argv = [{name!r}, '--help']\n"
        f"try: runpy.run_path({name!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "heavy = {'numpy', 'cv2', 'keras', 'tensorflow', 'numba', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert process.stderr.strip() == "[]", process.stderr
    assert "default" in process.stdout
