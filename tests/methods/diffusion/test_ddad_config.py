import pytest
import yaml

from methods.cli import method_options, train
from methods.cli.parser import parse
from methods.diffusion import ddad_config
from processing.errors import UsageError

FILE = """\
data:
  name: MVTec
  data_dir: data/MVTec
  category: screw
  image_size: 256
  batch_size: 32
  DA_batch_size: 16
model:
  DDADS: false
  feature_extractor: wide_resnet50_2
  learning_rate: 0.0003
  weight_decay: 0.05
  epochs: 3000
  load_chp: 2000
  DA_epochs: 4
  v: 1
  w: 2
  w_DA: 3
  DLlambda: 0.1
  trajectory_steps: 1000
  test_trajectoy_steps: 250
  skip: 25
  beta_start: 0.0001
  beta_end: 0.02
  eta: 1
  seed: 42
"""


def test_the_originals_file_gives_options_of_train(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(FILE)
    parser = train.build_parser()
    parsed = parse(parser, ["--config", str(path), "--w", "4"], ddad_config.options)
    assert (parsed.architecture, str(parsed.input_dir)) == (
        ["DDAD"],
        "data/MVTec/screw",
    )
    given = {key: value for key, (_, value) in method_options.given(parsed).items()}
    expected = {"preset": "ddad", "size": (256, 256), "batch_size": 32, "epochs": 3000}
    expected |= {"start": 250, "steps": 10, "w": 4, "w_adapt": 3, "adapt": 4, "eta": 1}
    expected |= {"backbone": "wide_resnet50_2", "learning_rate": 3e-4, "seed": 42}
    assert given == {**expected, "pixel_weight": 1, "adapt_keep": 0.1}


def test_the_smaller_network():
    content = yaml.safe_load(FILE.replace("DDADS: false", "DDADS: true"))
    assert ddad_config.options(content)["preset"] == "ddad-s"


def test_other_files_stay_as_they_are():
    content = {"size": 64, "model": "x"}
    assert ddad_config.options(content) is content


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("beta_end: 0.02", "beta_end: 0.006", "beta_end is 0.02 here. Received: 0.006"),
        ("  eta: 1", "  eeta: 1", r"without a counterpart: \['eeta'\]"),
        ("  eta: 1", "  1: 2\n  x: 3", r"without a counterpart: \[1, 'x'\]"),
        ("skip: 25", "skip: 0", "skip: expected a number above 0. Received: 0"),
        ("skip: 25", "skip: .nan", "skip: expected a number above 0. Received: nan"),
        ("steps: 250", "steps: [1]", r"steps: expected a number above 0. Received: \["),
        ("beta_end: 0.02", "beta_end: low", "beta_end: expected a number above 0."),
        ("beta_end: 0.02", "beta_end: true", "beta_end: expected a number above 0."),
    ],
)
def test_what_cannot_be_had_is_refused(before, after, message):
    with pytest.raises(UsageError, match=message):
        ddad_config.options(yaml.safe_load(FILE.replace(before, after)))
