"""What options ask of methods, models and data, checked before Keras is imported.

Methods check their options themselves when they are made, but their modules take
seconds to import. What is known of them here is typed, and a test holds that both say
the same. Methods of the user's own are checked once they are imported.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from methods import METHODS
from processing.errors import UsageError, UserError

from .defaults import DEFAULTS, Derived, defaults
from .method_options import refuse_unknown
from .own_methods import check_own

if TYPE_CHECKING:
    from methods.detector.records import TrainingRecord

CLUSTERED = ("PaDiM", "PatchCore", "ensemble")  # whose training a cluster can share
UPDATABLE = ("PaDiM", "PatchCore", "ensemble")
FOLDABLE = (*UPDATABLE, "fewshot")  # that can leave images out again
SHOTS = ("fewshot", "unified")
STRIDES = {  # of the levels of a backbone that are taken by default
    "PaDiM": (4, 32),
    "contrastive": (8, 32),
    "fewshot": (8, 32),
    "unified": (8, 32),
    "PatchCore": (8, 32),
    "ensemble": (4, 32),
    "featureCAE": (8, 32),
}
HORIZONS = {"DDAD": 1000, "AnoDDPM": 800}  # most steps of noise
FACTORS = {  # of the sides of images
    "mvtecCAE": 32,
    "paperCAE": 32,
    "baselineCAE": 64,
    "inceptionCAE": 64,
    "resnetCAE": 32,
    "skipCAE": 256,
    "AE": 16,
}
GRAPHLESS = ("Contrastive", "DDAD", "AnoDDPM")  # classes that are not exported
COPYING = ("resnetCAE", "skipCAE")  # corrupted if nothing else is said
CELLS = ("mvtecCAE", "baselineCAE", "inceptionCAE", "resnetCAE")  # share the latent
DRAWN_SIDE = 32  # of images that defects are drawn on
LOSS_SIDES = {"ssim": 11, "mssim": 176, "l2": 1}  # smallest sides of images
CNN_SIDE = 26
SEGMENT = "segment"  # the maps of an autoencoder's segmenter
GAN_SIDES = (32, 64, 128, 256)
MAPS = {  # kinds, by the class of a method: the default first
    "CAE": ("ssim", "l2", "legacy-ssim", "legacy-l2"),
    "AE": ("ssim", "l2", "legacy-ssim", "legacy-l2"),
    "CNN": ("cam",),
    "AnoGAN": ("l1", "raw-l1"),
    "Contrastive": ("separation",),
    "DDAD": ("standard", "raw"),
    "AnoDDPM": ("standard", "raw"),
}

Options = Mapping[str, tuple[str, Any]]  # of `method_options.given`
Shape = tuple[int, int, int]


def check_options(name: str, options: Options) -> None:
    """Raise `UserError` for options that a method refuses.

    Args:
        name: of the method; of one that is not in `METHODS`, see `own_methods`.
        options: of `method_options.given`.
    """
    if name not in METHODS:
        check_own(name, options)
        return
    refuse_unknown([name], options)
    values = _values(name, options)
    if name in COPYING and values["corrupt"] is None:
        values["corrupt"] = 1.0
    if "corrupt_with" in options and not values["corrupt"]:
        raise UsageError("--corrupt-with needs --corrupt SHARE")
    shape = _seen_shape(name, values)
    if name in FACTORS:
        _check_autoencoder(name, shape, values)
    elif name in STRIDES:
        _check_features(name, shape, values)
    elif name in HORIZONS:
        _check_diffusion(name, shape, values)
    else:
        _check_sides(name, shape)


def check_there(name: str) -> None:
    """Raise `UsageError` if the source of a method of the user's own is not there."""
    if name not in METHODS:
        check_own(name, {})


def _values(name: str, options: Options) -> dict[str, Any]:
    """Return the value of each option that a method has, None if it is derived."""
    known = {key: defaults(key) for key in DEFAULTS}
    values = {key: found[name] for key, found in known.items() if name in found}
    given = {key: value for key, (_, value) in options.items()}
    return {
        key: None if isinstance(value, Derived) else value
        for key, value in (values | given).items()
    }


def _seen_shape(name: str, values: Mapping[str, Any]) -> Shape:
    """Return the shape of what the method sees; checks the options of `Preparation`."""
    from methods import backbones
    from methods.pipeline.splitting import check_whole
    from processing.data.sizes import size_for
    from processing.preprocessing.preparation import Preparation
    from processing.preprocessing.reference import check_files

    size = values["size"]
    names = ("span", "pad", "crop", "register", "reference", "mask", "blank")
    prepared = {key: values[key] for key in (*names, "tile", "stride")}
    if isinstance(size, int):  # none is given: the square is valid if any is
        multiple = backbones.multiple(values["backbone"]) if name in STRIDES else 1
        size = size_for((), size, multiple)
    preparation = Preparation(size=size, channels=3, **prepared)
    check_files(preparation)
    if values.get("known_defects") or name == "CNN" and not values["synthetic"]:
        check_whole(name, len(preparation.tiling))
    return preparation.seen_shape


def _check_autoencoder(name: str, shape: Shape, values: Mapping[str, Any]) -> None:
    height, width, _ = shape
    smallest, factor = LOSS_SIDES[values["loss"]], FACTORS[name]
    for key in ("corrupt", "segment"):
        if values[key] and min(height, width) < DRAWN_SIDE:
            raise UsageError(
                f"--{key} needs image sides of at least {DRAWN_SIDE} pixels. "
                f"Received: {height}x{width}"
            )
    if min(height, width) < smallest:
        raise UsageError(
            f"Loss {values['loss']} needs image sides of at least {smallest} pixels. "
            f"Received: {height}x{width}"
        )
    if name == "paperCAE" and min(height, width) < 256:
        factor //= 2
    _check_multiple(f"{name} needs image sides", shape, factor)
    rows, columns = height // factor, width // factor
    if name in CELLS and values["latent"] and values["latent"] % (rows * columns):
        raise UsageError(
            f"{name} needs a latent size that is a multiple of {rows * columns} (its "
            f"code has {rows}x{columns} cells at this image size). Received: "
            f"{values['latent']}"
        )


def _check_multiple(needs: str, shape: Shape, factor: int) -> None:
    height, width, _ = shape
    if height % factor or width % factor:
        raise UsageError(
            f"{needs} that are multiples of {factor}"
            f"{' pixels' * (needs.endswith('image sides'))}. "
            f"Received: {height}x{width}"
        )


def _check_features(name: str, shape: Shape, values: Mapping[str, Any]) -> None:
    from methods import backbones
    from methods.backbones import weights
    from methods.engine.runtimes import KERAS, check_graphs
    from methods.padim.presets import preset

    check_graphs(values.get("fit_runtime", KERAS))

    pairs = backbones.with_weights(values["backbone"], values["weights"])
    if len(pairs) > 1 and name != "ensemble":
        raise UsageError(f"{name} takes one backbone. Received: {values['backbone']}")
    strides = preset(values["preset"]).strides if name == "PaDiM" else STRIDES[name]
    for backbone, file in pairs:
        levels, names = backbones.choose(backbone, strides, values["levels"])
        backbones.check(backbone, shape, names)
        there = sum(level.channels for level in levels)
        if (values.get("features") or 0) > there:
            raise UsageError(
                f"{backbone} has {there} channels at these levels, expected "
                f"--features of at most that. Received: {values['features']}"
            )
        weights.check(backbone, file, from_scratch=name == "contrastive")


def _check_diffusion(name: str, shape: Shape, values: Mapping[str, Any]) -> None:
    from methods.backbones import weights
    from methods.diffusion.presets import arguments

    steps, start = values["steps"], values["start"]
    if not 1 <= steps <= start <= HORIZONS[name]:
        raise UsageError(
            f"--steps must be 1 to --start, at most {HORIZONS[name]}. Received: "
            f"--steps {steps} --start {start}"
        )
    network = arguments(values["preset"], shape)
    stride = network.get("patch", 1) * 2 ** (len(network["multipliers"]) - 1)
    _check_multiple("this UNet takes images with sides", shape, stride)
    if name == "DDAD":
        weights.check(values["backbone"], values["weights"], from_scratch=True)


def _check_sides(name: str, shape: Shape) -> None:
    height, width, _ = shape
    if name == "CNN" and min(height, width) < CNN_SIDE:
        raise UsageError(
            f"CNN needs image sides of at least {CNN_SIDE} pixels. "
            f"Received: {height}x{width}"
        )
    if name == "AnoGAN" and (height != width or height not in GAN_SIDES):
        raise UsageError(
            "AnoGAN needs square images with sides of "
            f"{', '.join(map(str, GAN_SIDES))} pixels. Received: {height}x{width}"
        )


def check_cluster(name: str, address: str | None) -> None:
    """Raise `UserError` if a cluster is to share a training run and cannot."""
    from methods.base import on_one_machine

    if not address:
        return
    check_ray(address)
    if name in METHODS and name not in CLUSTERED:
        raise UsageError(on_one_machine(name))


def check_ray(address: str | None) -> None:
    """Raise `UserError` if a cluster is asked for, but Ray is not installed."""
    if address and find_spec("ray") is None:
        raise UserError(
            "--ray needs the package ray: pip install 'keras-anomaly[cluster]'"
        )


def check_images(
    name: str,
    folder: Path,
    options: Options,
    skip_unreadable: bool,
    labels: Path | None = None,
    several: bool = False,
) -> None:
    """Raise `UserError` if a category has too few images to train a method on.

    `labels` is a table that corrects them, `several` whether it is for others, too.
    """
    from methods.base import check_defective, no_labelled_defects
    from methods.pipeline.splitting import check_count, known_defects, split_good
    from processing.data.dataset import SEED, scan_category
    from processing.data.labels import labels_of
    from processing.data.listing import check_faults
    from processing.data.scan import scan

    values = _values(name, options) if name in METHODS else {"seed": SEED}
    shape, seed = (1, 1, 1), values["seed"]
    found, supervised = scan(folder), name == "CNN" and not values["synthetic"]
    known = bool(values.get("known_defects"))
    learned, rows = supervised or known, {}
    if labels:
        rows = labels_of(labels, found, learned, skip_unreadable, several)
    category = scan_category(
        found, image_shape=shape, cache_bytes=0, seed=seed, labels=rows
    )
    check_faults(folder, category.scan.left_out, skip_unreadable)
    good = category.train
    check_count(good, folder)
    if name not in METHODS:
        return
    if known and not len(category.defective):
        raise no_labelled_defects()
    if supervised:
        check_defective(name, len(known_defects(category, seed)))
    _, share = options.get("validation", ("", None))
    fit, _ = split_good(good, category, seed, share)
    if name in SHOTS:
        _check_shots(values["shots"], len(fit))


def check_folds(record: "TrainingRecord", folds: int) -> None:
    """Raise `UsageError` for folds of a method that would have to be trained anew."""
    from methods.base import trained_anew

    learned = record.method not in FOLDABLE or record.config.get("train")
    if folds and record.method in METHODS and learned:
        raise UsageError(trained_anew(record.method))


def _check_shots(shots: int, good: int) -> None:
    if shots > good:
        raise UserError(
            f"--shots {shots} needs as many good images to fit. Received: {good}"
        )


def check_shots_from(record: "TrainingRecord", folder: Path) -> None:
    """Raise `UserError` if a category has too few good images for a model's shots."""
    from methods.pipeline.splitting import check_others
    from processing.data.dataset import SEED, scan_category

    if record.method not in METHODS:
        return
    if record.method not in SHOTS:
        raise UsageError(f"--shots-from: {record.method} remembers no shots")
    shots = record.config.get("shots", defaults("shots")[record.method])
    seed = record.config.get("seed", SEED)
    shape = (1, 1, 1)
    good = scan_category(folder, image_shape=shape, cache_bytes=0, seed=seed).train
    _check_shots(shots, len(good))
    if (record.preparation or {}).get("span"):
        check_others(folder, len(good), shots)


def map_kinds(record: "TrainingRecord") -> tuple[str, ...]:
    """Return the kinds of maps of a model of a method of ours, the default first."""
    known = MAPS.get(METHODS[record.method].rpartition(".")[2], ("distance",))
    return (SEGMENT, *known) if record.config.get("segment") else known


def check_graph(record: "TrainingRecord", kind: str | None) -> None:
    """Raise `UserError` for maps that no graph gives.

    Args:
        record: of the model.
        kind: of the maps; None for the method's default.
    """
    from methods.detector.export import no_graph

    if record.method not in METHODS:
        return
    name = METHODS[record.method].rpartition(".")[2]
    config = record.config
    searches = name == "AnoGAN" and (not config.get("encoder") or config.get("steps"))
    kind = kind or map_kinds(record)[0]
    if name in GRAPHLESS or searches or kind.startswith(("legacy", "raw-")):
        raise no_graph(record.method, kind)


def check_kind(record: "TrainingRecord", kind: str | None, legacy: bool) -> None:
    """Raise `UsageError` for maps that the method of a model does not have."""
    if record.method not in METHODS:
        return
    name = METHODS[record.method].rpartition(".")[2]
    known = map_kinds(record)
    if legacy and not any(one.startswith("legacy-") for one in known):
        raise UsageError(f"--legacy is for autoencoders. Received: a {name} model")
    if legacy:
        kind = f"legacy-{kind}" if kind else None
    if kind and kind not in known:
        raise UsageError(
            f"{name} has no {kind} maps, expected one of {', '.join(known)}"
        )
