import argparse
import logging

import pytest

from autoencoder import losses
from benchmarks import accuracy
from methods.cae import corruption
from methods.cli import finetune, method_options
from methods.cli.method_options import add_method_options, given
from methods.contrastive import clustering
from methods.detector import results
from methods.diffusion import noise, schedule
from methods.engine import precision
from methods.pipeline.training import configure
from processing.decision.calibration import Rule
from processing.errors import UsageError
from processing.preprocessing import registration


def parsed(*words):
    parser = argparse.ArgumentParser()
    add_method_options(parser)
    return given(parser.parse_args(words))


def test_only_what_was_given_with_its_flag():
    assert parsed() == {}
    assert parsed("-b", "4", "--lr", "0.1") == {
        "batch_size": ("--batch", 4),
        "learning_rate": ("--lr", 0.1),
    }


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ([], (256, 256, 1)),
        (["-l", "mssim"], (256, 256, 3)),
        (["-l", "mssim", "-c", "grayscale"], (256, 256, 1)),
        (["--size", "64", "-c", "rgb"], (64, 64, 3)),
        (["--size", "64x128"], (64, 128, 1)),
    ],
)
def test_size_and_colour_make_the_image_shape(words, shape):
    assert configure("mvtecCAE", parsed(*words)).image_shape == shape


@pytest.mark.parametrize(("name", "side"), [("AE", 256), ("CNN", 256), ("AnoGAN", 64)])
def test_other_methods_take_rgb_and_their_own_size(name, side):
    assert configure(name, {}).image_shape == (side, side, 3)
    assert configure(name, parsed("-c", "grayscale")).image_shape == (side, side, 1)


@pytest.mark.parametrize(
    ("name", "words", "size"),
    [
        ("mvtecCAE", [], (416, 160)),
        ("mvtecCAE", ["--size", "256"], (256, 256)),
        ("mvtecCAE", ["-l", "mssim"], (256, 256)),  # which needs 176 pixels
        ("mvtecCAE", ["--pad"], (416, 160)),
        ("mvtecCAE", ["--crop", "200"], (256, 256)),
        ("mvtecCAE", ["--tile", "128"], (416, 160)),
        ("mvtecCAE", ["--tile", "256"], (256, 256)),
        ("baselineCAE", [], (384, 192)),
        ("skipCAE", [], (256, 256)),
        ("DDAD", [], (192, 96)),
        ("AnoGAN", [], (64, 64)),
        ("PaDiM", ["-k", "dinov2_small"], (602, 238)),
        ("fewshot", ["-k", "dinov2_small"], (392, 154)),
    ],
)
def test_without_a_size_it_follows_the_images(name, words, size, caplog):
    caplog.set_level(logging.INFO)
    detector = configure(name, parsed(*words), [(640, 256)] * 3)
    assert detector.preparation.size == size
    if "--size" in words:
        assert caplog.messages == []
        return
    [line] = caplog.messages
    assert line.startswith(f"size: {size[0]}x{size[1]} (height x width) for images of ")
    assert ("640x256, which squeezes them;" in line) == (size[0] < 2.2 * size[1])


@pytest.mark.parametrize("sizes", [[], [(900, 900)], [(1000, 1090)]])
def test_square_images_keep_the_square_without_a_word(sizes, caplog):
    caplog.set_level(logging.INFO)
    assert configure("mvtecCAE", {}, sizes).preparation.size == (256, 256)
    assert caplog.messages == []


def test_an_option_of_another_method_is_refused():
    with pytest.raises(UsageError, match="mvtecCAE has no option --shots"):
        configure("mvtecCAE", {"shots": ("--shots", 4)})


@pytest.mark.parametrize(
    ("typed", "source"),
    [
        (method_options.LOSSES, losses.LOSSES),
        (method_options.LOSSES, accuracy.LOSSES),
        (method_options.CORRUPTIONS, corruption.KINDS_OF),
        (method_options.CLUSTERINGS, clustering.CLUSTERINGS),
        (method_options.SCHEDULES, schedule.SCHEDULES),
        (method_options.NOISES, noise.KINDS),
        (method_options.PRECISIONS, precision.PRECISIONS),
        (method_options.REGISTRATIONS, registration.REGISTRATIONS),
        (finetune.DTYPES, results.DTYPES),
    ],
)
def test_names_are_those_of_the_source(typed, source):
    """They are typed twice, for importing the source takes seconds."""
    assert len(typed) == len(set(typed))
    assert set(typed) == set(source)


def test_rules_are_those_of_the_source():
    for name in finetune.RULES:
        number = finetune.NUMBERS[name][2] if name in finetune.NUMBERS else None
        assert str(Rule(name, number))


def test_an_option_that_a_method_lacks_is_refused_by_its_flag():
    options = parsed("--features", "3")
    method_options.refuse_unknown(["PaDiM"], options)
    with pytest.raises(UsageError, match="DDAD has no option --features"):
        method_options.refuse_unknown(["PaDiM", "DDAD"], options)
