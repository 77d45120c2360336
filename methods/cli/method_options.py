"""The command line options of methods: what their constructors take.

Every option is None unless given, for each method has its own defaults. Its `dest` is
the constructor's parameter, or one of `Preparation`, or `color`.
"""

import argparse
from typing import Any

from methods.backbones import BACKBONES
from methods.diffusion.presets import PRESETS

from .parser import at_least, one_of, sides, span

CLUSTERINGS = ("kmeans", "hdbscan", "gmm", "agglomerative")
LOSSES = ("ssim", "mssim", "l2")


def add_method_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of all methods to `parser`, in groups."""
    _add_common(parser.add_argument_group("images and maps"))
    _add_preparation(parser.add_argument_group("preparation of all images"))
    _add_autoencoders(parser.add_argument_group("autoencoders"))
    _add_cnn(parser.add_argument_group("CNN"))
    _add_gan(parser.add_argument_group("AnoGAN"))
    _add_backbones(parser.add_argument_group("pretrained networks"))
    _add_features(parser.add_argument_group("PaDiM and PatchCore"))
    _add_shots(parser.add_argument_group("few-shot"))
    _add_contrastive(parser.add_argument_group("contrastive"))
    _add_diffusion(parser.add_argument_group("diffusion: DDAD and AnoDDPM"))
    _add_ddad(parser.add_argument_group("DDAD"))
    _add_anoddpm(parser.add_argument_group("AnoDDPM"))
    _add_training(parser.add_argument_group("training"))


def _add_common(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "default: grayscale for CAEs, but rgb with the mssim loss; rgb for others"
    add("-c", "--color", choices=("grayscale", "rgb"), help=help_)
    help_ = "steps to a reconstruction: calls of the UNet (default: DDAD 10, AnoDDPM "
    help_ += "20), or of AnoGAN's search for latents (500, or 0 with --encoder)"
    add("--steps", type=at_least(0), metavar="N", help=help_)
    sigma = at_least(0, float)
    help_ = "blur of the anomaly maps; default: 4, for diffusion at a side of 256"
    add("--sigma", type=sigma, metavar="PIXELS", help=help_)
    seed = at_least(0)
    add("--seed", type=seed, metavar="N", help="of all draws; default: 42")


def _add_preparation(group: argparse._ArgumentGroup) -> None:
    add, pixels = group.add_argument, at_least(1)
    help_ = "side, or height x width, that images are resized to; default: 256; 128 "
    help_ += "for diffusion, 64 for AnoGAN"
    add("--size", type=sides, metavar="N|HxW", help=help_)
    help_ = "stored values that become black and white, such as 0,4095 for 12 bits"
    add("--range", dest="span", type=span, metavar="LOW,HIGH", help=help_)
    help_ = "keep the aspect ratio, and draw out the edges of the shorter side"
    add("--pad", action="store_true", default=None, help=help_)
    help_ = "move each image onto a reference: orb, for parts with marks of their own, "
    help_ += "or ecc, for parts of one look"
    add("--register", type=one_of(("orb", "ecc")), metavar="WAY", help=help_)
    help_ = "image to register to, and for --mask; default: a typical training image"
    add("--reference", metavar="IMAGE", help=help_)
    help_ = "what to judge, of these with ; in between: foreground, the part before an "
    help_ += "even background; FILE, an image that is black where nothing is judged; "
    help_ += "x,y,w,h, a rectangle to leave out, in pixels of the reference"
    add("--mask", metavar="MASK", help=help_)
    help_ = "paint black what the mask leaves out, for the method not to see it"
    add("--blank", action="store_true", default=None, help=help_)
    help_ = "middle that is left of the resized image"
    add("--crop", type=sides, metavar="N|HxW", help=help_)
    help_ = "side of the tiles that images are judged in; default: whole images"
    add("--tile", type=pixels, metavar="N", help=help_)
    help_ = "pixels from tile to tile; default: three quarters of a tile"
    add("--stride", type=pixels, metavar="N", help=help_)


def _add_autoencoders(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    name, help_ = one_of(LOSSES), "ssim (the default), mssim or l2"
    add("-l", "--loss", type=name, metavar="NAME", help=help_)
    help_ = "values of the code; default: the architecture's own number"
    add("--latent", type=at_least(1), metavar="N", help=help_)


def _add_cnn(group: argparse._ArgumentGroup) -> None:
    help_ = "learn from synthetic defects, not from real ones"
    group.add_argument("--synthetic", action="store_const", const=True, help=help_)


def _add_gan(group: argparse._ArgumentGroup) -> None:
    add, positive = group.add_argument, at_least(1)
    help_ = "train an encoder that finds latents without a search, too (f-AnoGAN)"
    add("--encoder", action="store_const", const=True, help=help_)
    help_ = "filters before the generator's last layer; default: 64"
    add("--width", type=positive, metavar="N", help=help_)


def _add_backbones(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = f"one of {', '.join(BACKBONES)}; default: efficientnet_lite0"
    name = one_of(BACKBONES)
    add("-k", "--backbone", type=name, metavar="NAME", help=help_)
    help_ = "imagenet (the default), random, or a file of the backbone's weights"
    add("--weights", metavar="FILE", help=help_)


def _add_features(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "levels of the backbone, such as layer2,layer3; default: those of the paper"
    add("--levels", metavar="NAMES", help=help_)
    help_ = "PaDiM: channels drawn; default: 100, or 550 of wide_resnet50_2"
    add("--features", type=at_least(1), metavar="N", help=help_)
    share, help_ = at_least(1e-6, float), "share of the patches; default: 0.1"
    add("--coreset", type=share, metavar="SHARE", help=f"PatchCore: {help_}")
    help_ = "PatchCore: number of patches, in the place of --coreset"
    add("--patches", type=at_least(1), metavar="N", help=help_)


def _add_shots(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    help_ = "good images that are remembered, drawn at random; default: 4"
    add("--shots", type=at_least(1), metavar="N", help=help_)
    help_ = "remember each turned by 90, 180 and 270 degrees, too"
    add("--rotations", action="store_true", default=None, help=help_)
    help_ = "learn from synthetic defects what deviations from the memory mean"
    add("--train", action="store_true", default=None, help=help_)


def _add_diffusion(group: argparse._ArgumentGroup) -> None:
    add, positive = group.add_argument, at_least(1)
    name = one_of(PRESETS)
    help_ = f"size of the UNet: {', '.join(PRESETS)}; default: small"
    add("--preset", type=name, metavar="NAME", help=help_)
    help_ = "of the noise; default: linear"
    add("--schedule", choices=("linear", "cosine"), help=help_)
    help_ = "steps of noise, of 1000, to begin with; default: DDAD 250, AnoDDPM 200"
    add("--start", type=positive, metavar="N", help=help_)
    help_ = "batches whose gradients are averaged; default: 1"
    add("--accumulate", type=positive, metavar="N", help=help_)


def _add_ddad(group: argparse._ArgumentGroup) -> None:
    add, number = group.add_argument, at_least(0, float)
    help_ = "how strongly the image itself guides its reconstruction; default: 2"
    add("--w", type=number, metavar="W", help=help_)
    help_ = "share of fresh noise in each step; default: 1"
    add("--eta", type=number, metavar="ETA", help=help_)
    help_ = "epochs of adapting the feature extractor; default: 4"
    add("--adapt", type=at_least(0), metavar="EPOCHS", help=help_)
    help_ = "--w during the adaptation; default: 3"
    add("--w-adapt", type=number, metavar="W", help=help_)
    help_ = "learning rate of the adaptation; default: 1e-4"
    add("--adapt-rate", type=number, metavar="RATE", help=help_)
    help_ = "weight of staying close to the original extractor; default: 0.1"
    add("--adapt-keep", type=number, metavar="WEIGHT", help=help_)
    help_ = "of the pixel distance beside that of features; default: 1"
    add("--pixel-weight", type=number, metavar="V", help=help_)


def _add_anoddpm(group: argparse._ArgumentGroup) -> None:
    add, positive = group.add_argument, at_least(1)
    help_ = "default: simplex"
    choices = ("simplex", "gaussian")
    add("--noise", dest="noise_kind", choices=choices, help=help_)
    number = at_least(1e-3, float)
    help_ = "longest waves of simplex noise at a side of 256; default: 64"
    add("--frequency", type=number, metavar="PIXELS", help=help_)
    help_ = "of simplex noise, each of half the wavelength; default: 6"
    add("--octaves", type=positive, metavar="N", help=help_)
    help_ = "amplitude of each octave in those of the one before; default: 0.8"
    add("--persistence", type=number, metavar="SHARE", help=help_)
    help_ = "scale simplex noise to variance 1"
    add("--unit-noise", action="store_true", default=None, help=help_)
    help_ = "reconstructions that are averaged; default: 3"
    add("--repeats", type=positive, metavar="N", help=help_)


def _add_training(group: argparse._ArgumentGroup) -> None:
    add, positive = group.add_argument, at_least(1)
    help_ = "images a step; default: 8; 32 for AE, 16 for CNN, AnoGAN and diffusion"
    add("-b", "--batch", dest="batch_size", type=positive, metavar="N", help=help_)
    help_ = "cap on the epochs; default: 60, fewer where validation stops improving; "
    help_ += "20 for CNN; AnoGAN always trains 60, and its encoder as many again"
    add("--epochs", type=positive, metavar="N", help=help_)
    rate = at_least(1e-9, float)
    help_ = "peak learning rate; default: searched; DDAD 3e-4, AnoGAN 2e-4, CNN and "
    help_ += "AnoDDPM 1e-3"
    add("--lr", dest="learning_rate", type=rate, metavar="RATE", help=help_)
    choices = ("auto", "float32", "bfloat16")
    help_ = "auto, the default, takes bfloat16 if it is faster"
    add("--precision", choices=choices, help=help_)


def _add_contrastive(group: argparse._ArgumentGroup) -> None:
    name = one_of(CLUSTERINGS)
    help_ = f"of the pixels of an image: {', '.join(CLUSTERINGS)}; default: kmeans"
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
