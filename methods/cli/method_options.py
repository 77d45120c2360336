"""The command line options of methods: what their constructors take.

Every option is None unless given, for each method has its own defaults. Its `dest` is
the constructor's parameter, or one of `Preparation`, or `color`.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from methods import METHODS
from methods.backbones import BACKBONES
from methods.detector.settings import (
    CLUSTERINGS,
    COLORS,
    CORRUPTIONS,
    LOSSES,
    NOISES,
    PRECISIONS,
    PRESETS,
    RANGES,
    REGISTRATIONS,
    SCHEDULES,
)
from methods.diffusion.presets import PRESETS as UNETS
from methods.engine.runtimes import FIT_RUNTIMES
from methods.padim.presets import PRESETS as GAUSSIANS
from processing.errors import UsageError

from .defaults import DEFAULTS, defaults, wording
from .parser import at_least, one_of, sides, some_of, span


def refuse_unknown(
    names: Sequence[str], options: Mapping[str, tuple[str, Any]]
) -> None:
    """Raise `UsageError` for one of `given` options that a method of ours lacks."""
    for name, (key, (flag, _)) in product(names, options.items()):
        if name in METHODS and name not in defaults(key):
            raise UsageError(f"{name} has no option {flag}")


def _number(name: str, kind: type = int) -> Callable[[str], float]:
    """Return the argparse type of a setting that is a number."""
    return at_least(RANGES[name][0], kind, RANGES[name][1])


def add_method_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all methods to `parser`, in groups."""
    _add_common(parser.add_argument_group("images and maps"))
    _add_preparation(parser.add_argument_group("preparation of all images"))
    _add_autoencoders(parser.add_argument_group("autoencoders"))
    _add_cnn(parser.add_argument_group("CNN"))
    _add_gan(parser.add_argument_group("AnoGAN"))
    _add_backbones(parser.add_argument_group("pretrained networks"))
    _add_features(parser.add_argument_group("PaDiM, PatchCore and ensemble"))
    _add_shots(parser.add_argument_group("few-shot"))
    _add_contrastive(parser.add_argument_group("contrastive"))
    _add_diffusion(parser.add_argument_group("diffusion: DDAD and AnoDDPM"))
    _add_ddad(parser.add_argument_group("DDAD"))
    _add_anoddpm(parser.add_argument_group("AnoDDPM"))
    _add_training(parser.add_argument_group("training"))
    for action in parser._actions:
        if action.dest in DEFAULTS:
            action.help = f"{action.help}{wording(action.dest)}"


def _add_common(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-c", "--color", choices=COLORS, help="of the images")
    help_ = "steps to a reconstruction: calls of the UNet, or of AnoGAN's search for "
    help_ += "latents"
    add("--steps", type=_number("steps"), metavar="N", help=help_)
    sigma = _number("sigma", float)
    add("--sigma", type=sigma, metavar="PIXELS", help="blur of the anomaly maps")
    help_ = "of the highest values of a map, whose mean is the score of its image; 0 "
    help_ += "for the highest alone, of PatchCore the paper's weighted one"
    add("--top", type=_number("top", float), metavar="SHARE", help=help_)
    seed = _number("seed")
    add("--seed", type=seed, metavar="N", help="of all draws")
    help_ = "of the good images that validate: that stop the training and bound the "
    help_ += "false alarms that a decision can promise"
    add("--validation", type=_number("validation", float), metavar="SHARE", help=help_)


def _add_preparation(group: argparse._ArgumentGroup) -> None:
    add, pixels = group.add_argument, _number("tile")
    help_ = "side, or height x width, that images are resized to; if none is given, "
    help_ += "rectangular ones about keep their aspect, and have the pixels of a "
    help_ += "square, for ensemble, PaDiM and PatchCore one of 384 where images are "
    help_ += "that large (of AnoGAN: are squares)"
    add("--size", type=sides, metavar="N|HxW", help=help_)
    help_ = "stored values that become black and white, such as 0,4095 for 12 bits"
    add("--range", dest="span", type=span, metavar="LOW,HIGH", help=help_)
    help_ = "keep the aspect ratio, and draw out the edges of the shorter side"
    add("--pad", action="store_true", default=None, help=help_)
    help_ = "move each image onto a reference: orb, for parts with marks of their own, "
    help_ += "or ecc, for parts of one look"
    add("--register", type=one_of(REGISTRATIONS), metavar="WAY", help=help_)
    help_ = "image to register to, and for --mask"
    add("--reference", metavar="IMAGE", help=help_)
    help_ = "what to judge, of these with ; in between: foreground, the part before an "
    help_ += "even background; FILE, an image that is black where nothing is judged; "
    help_ += "x,y,w,h, a rectangle to leave out, in pixels of the reference"
    add("--mask", metavar="MASK", help=help_)
    help_ = "paint black what the mask leaves out, for the method not to see it"
    add("--blank", action="store_true", default=None, help=help_)
    help_ = "middle that is left of the resized image"
    add("--crop", type=sides, metavar="N|HxW", help=help_)
    help_ = "side of the tiles that images are judged in"
    add("--tile", type=pixels, metavar="N", help=help_)
    add("--stride", type=pixels, metavar="N", help="pixels from tile to tile")


def _add_autoencoders(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    name, help_ = one_of(LOSSES), f"one of {', '.join(LOSSES)}"
    add("-l", "--loss", type=name, metavar="NAME", help=help_)
    help_ = "values of the code, or of the latents of AnoGAN"
    add("--latent", type=_number("latent"), metavar="N", help=help_)
    help_ = "of the images to learn from that are corrupted, for the good ones to be "
    help_ += "given back"
    add("--corrupt", type=_number("corrupt", float), metavar="SHARE", help=help_)
    help_ = "synthetic defects, masked squares, or each in half of the cases"
    add("--corrupt-with", choices=CORRUPTIONS, help=help_)
    help_ = "train a network that marks defects, too, on synthetic ones"
    add("--segment", action="store_true", default=None, help=help_)


def _add_cnn(group: argparse._ArgumentGroup) -> None:
    help_ = "learn from synthetic defects, not from real ones"
    group.add_argument("--synthetic", action="store_const", const=True, help=help_)


def _add_gan(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "train an encoder that finds latents without a search, too (f-AnoGAN)"
    add("--encoder", action="store_const", const=True, help=help_)
    help_ = "filters before the generator's last layer"
    add("--width", type=_number("width"), metavar="N", help=help_)


def _add_backbones(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = f"one of {', '.join(BACKBONES)}; of ensemble also several, with commas "
    help_ += "in between"
    add("-k", "--backbone", type=some_of(BACKBONES), metavar="NAME", help=help_)
    help_ = "imagenet, random, or a file of the backbone's weights; of several "
    help_ += "backbones one for all or each"
    add("--weights", metavar="FILE", help=help_)
    help_ = "levels of the backbone, such as layer2,layer3"
    add("--levels", metavar="NAMES", help=help_)
    help_ = "what calculates the features to learn from: Keras, or the backbone's "
    help_ += "exported graph, which is written once and kept; faster on a CPU (needs "
    help_ += "the extra export)"
    add("--runtime", dest="fit_runtime", choices=FIT_RUNTIMES, help=help_)


def _add_features(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "PaDiM and ensemble: channels drawn"
    add("--features", type=_number("features"), metavar="N", help=help_)
    help_ = "PatchCore and ensemble: share of the patches"
    add("--coreset", type=_number("coreset", float), metavar="SHARE", help=help_)
    help_ = "PatchCore and ensemble: number of patches, in the place of --coreset"
    add("--patches", type=_number("patches"), metavar="N", help=help_)
    share = _number("variance", float)
    help_ = "PatchCore and ensemble: share of the features' variance that is kept in "
    help_ += "principal components; 1 for features as they are"
    add("--variance", type=share, metavar="SHARE", help=help_)
    help_ = "PatchCore: bring all components to variance 1"
    add("--whiten", action="store_true", default=None, help=help_)
    share = _number("known_defects", float)
    help_ = "PatchCore and fewshot: raise distances by that share of what a patch is "
    help_ += "nearer to the defects of --labels than to good images"
    add("--known-defects", type=share, metavar="SHARE", help=help_)


def _add_shots(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "good images that are remembered, drawn at random"
    add("--shots", type=_number("shots"), metavar="N", help=help_)
    help_ = "directions that each is remembered in, evenly spread"
    add("--rotations", type=_number("rotations"), metavar="N", help=help_)
    help_ = "learn from synthetic defects what deviations from the memory mean"
    add("--train", action="store_true", default=None, help=help_)


def _add_diffusion(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    name = one_of(PRESETS)
    help_ = f"size of the UNet: {', '.join(UNETS)}; features of PaDiM: "
    help_ += ", ".join(GAUSSIANS)
    add("--preset", type=name, metavar="NAME", help=help_)
    add("--schedule", choices=SCHEDULES, help="of the noise")
    help_ = "steps of noise to begin with, of 1000 for DDAD and 800 for AnoDDPM"
    add("--start", type=_number("start"), metavar="N", help=help_)
    help_ = "batches whose gradients are averaged"
    add("--accumulate", type=_number("accumulate"), metavar="N", help=help_)


def _add_ddad(group: argparse._ArgumentGroup) -> None:
    add, number = group.add_argument, _number("w", float)
    help_ = "how strongly the image itself guides its reconstruction"
    add("--w", type=number, metavar="W", help=help_)
    help_ = "share of fresh noise in each step"
    add("--eta", type=number, metavar="ETA", help=help_)
    help_ = "epochs of adapting the feature extractor"
    add("--adapt", type=_number("adapt"), metavar="EPOCHS", help=help_)
    add("--w-adapt", type=number, metavar="W", help="--w during the adaptation")
    help_ = "learning rate of the adaptation"
    rate = _number("adapt_rate", float)
    add("--adapt-rate", type=rate, metavar="RATE", help=help_)
    help_ = "weight of staying close to the original extractor"
    add("--adapt-keep", type=number, metavar="WEIGHT", help=help_)
    help_ = "of the pixel distance beside that of features"
    add("--pixel-weight", type=number, metavar="V", help=help_)


def _add_anoddpm(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "that images are given"
    add("--noise", dest="noise_kind", choices=NOISES, help=help_)
    number = _number("frequency", float)
    help_ = "longest waves of simplex noise at a side of 256"
    add("--frequency", type=number, metavar="PIXELS", help=help_)
    help_ = "of simplex noise, each of half the wavelength"
    add("--octaves", type=_number("octaves"), metavar="N", help=help_)
    help_ = "amplitude of each octave in those of the one before"
    number = _number("persistence", float)
    add("--persistence", type=number, metavar="SHARE", help=help_)
    help_ = "scale simplex noise to variance 1"
    add("--unit-noise", action="store_true", default=None, help=help_)
    help_ = "reconstructions that are averaged"
    add("--repeats", type=_number("repeats"), metavar="N", help=help_)


def _add_training(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "images a step"
    size = _number("batch_size")
    add("-b", "--batch", dest="batch_size", type=size, metavar="N", help=help_)
    add("--epochs", type=_number("epochs"), metavar="N", help="cap on the epochs")
    rate = _number("learning_rate", float)
    help_ = "peak learning rate"
    add("--lr", dest="learning_rate", type=rate, metavar="RATE", help=help_)
    help_ = "search for the learning rate even if one was found before for the same "
    help_ += "network, size, loss, batch and corruption"
    add("--search-rate", action="store_true", default=None, help=help_)
    help_ = "of the training; auto takes bfloat16 if it is faster"
    add("--precision", choices=PRECISIONS, help=help_)


def _add_contrastive(group: argparse._ArgumentGroup) -> None:
    name = one_of(CLUSTERINGS)
    help_ = f"of the pixels of an image: {', '.join(CLUSTERINGS)}"
    group.add_argument("--cluster", type=name, metavar="NAME", help=help_)


def given(options: argparse.Namespace) -> dict[str, tuple[str, Any]]:
    """Return flag and value of every method option that was given, by name."""
    parser = argparse.ArgumentParser(add_help=False)
    add_method_options(parser)
    return {
        action.dest: (action.option_strings[-1], getattr(options, action.dest))
        for action in parser._actions
        if getattr(options, action.dest) is not None
    }
