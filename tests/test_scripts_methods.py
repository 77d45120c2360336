"""The three scripts with methods that are no convolutional autoencoders."""

import csv
import json

import pytest

import finetune
import test as script
import train

pytestmark = pytest.mark.usefixtures("eager_file", "few_layers")
QUICK = ["--size", "32", "--epochs", "1", "--precision", "float32"]
OPTIONS = {
    "AE": ["--lr", "0.001"],
    "CNN": ["-i"],
    "AnoGAN": ["-i", "--encoder", "--width", "4", "--latent", "8", "--steps", "3"],
}


@pytest.mark.parametrize(
    "name", ["AE", "CNN", pytest.param("AnoGAN", marks=pytest.mark.nightly)]
)
def test_train_finetune_test(
    name, samples, short_epochs, undrawn, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    options = ["-d", str(samples / "washer"), "-a", name.lower()]
    assert train.main([*options, *QUICK, *OPTIONS[name]]) == 0
    [model] = tmp_path.glob(f"saved_models/samples/washer/{name}/*/*/*.hdf5")
    with (model.parent / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert all(row["val_loss"] for row in history)
    samples_of_gan = list((model.parent / "samples").glob("*.png"))
    assert len(samples_of_gan) == (name == "AnoGAN")
    inspected = list(model.parent.glob("inspection_test/*.png"))
    assert len(inspected) == (0 if name == "AE" else 16)
    assert (model.parent / "loss_plot.png").exists()
    info = json.loads((model.parent / "info.json").read_text())
    assert len(info["splits"].get("defective", ())) == (2 if name == "CNN" else 0)

    assert finetune.main(["-p", str(model)]) == 0
    assert script.main(["-p", str(model), "-s"]) == 0
    [path] = tmp_path.glob("results/**/test_result.json")
    result = json.loads(path.read_text())
    assert 0 <= result["image_auroc"] <= 1
    assert 0 <= result["pixel_auroc"] <= 1
    assert result["images"] == 12


@pytest.mark.nightly
def test_interrupted_gan_goes_on(samples, short_epochs, monkeypatch, tmp_path):
    """In the encoder's stage: its history goes on from that of the GAN."""
    from methods.pipeline.run_folder import TrainingRun

    monkeypatch.chdir(tmp_path)
    options = ["-d", str(samples / "washer"), "-a", "AnoGAN", *QUICK]
    options += [*OPTIONS["AnoGAN"], "--epochs", "2"]
    save = TrainingRun.save

    def save_and_stop(self, arrays, state):
        save(self, arrays, state)
        if state["epochs"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingRun, "save", save_and_stop)
        assert train.main(options) == 130
    [run] = tmp_path.glob("saved_models/samples/washer/AnoGAN/encoder/*")
    assert train.main(["--resume", str(run)]) == 0
    with (run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row["generator_loss"]) for row in rows] == [True, True, False, False]
