import argparse
import inspect

import pytest

import methods
from methods.cli.method_options import add_method_options, given
from methods.pipeline.training import PREPARATION, configure
from processing.errors import UsageError


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


def test_an_option_of_another_method_is_refused():
    with pytest.raises(UsageError, match="mvtecCAE has no option --shots"):
        configure("mvtecCAE", {"shots": ("--shots", 4)})


def test_every_option_belongs_to_some_method():
    """No dead options (a typo in a `dest` would make one)."""
    parser = argparse.ArgumentParser(add_help=False)
    add_method_options(parser)
    taken = PREPARATION | {"color"}
    for name in methods.METHODS:
        taken |= set(inspect.signature(methods.get(name)).parameters)
    assert {action.dest for action in parser._actions} <= taken
