"""The three scripts with methods that are no convolutional autoencoders."""

import csv
import json

import pytest

import finetune
import test as script
import train

QUICK = ["--size", "32", "--epochs", "1", "--precision", "float32"]
OPTIONS = {
    "AE": ["--lr", "0.001"],
    "CNN": [],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_train_finetune_test(name, samples, short_epochs, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = ["-d", str(samples / "washer"), "-a", name.lower(), "-i"]
    assert train.main([*options, *QUICK, *OPTIONS[name]]) == 0
    [model] = tmp_path.glob(f"saved_models/samples/washer/{name}/*/*/*.hdf5")
    with (model.parent / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    assert all(row["val_loss"] for row in history)
    assert len(list(model.parent.glob("inspection_test/*.png"))) == 16
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
