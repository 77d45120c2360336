"""The methods of the registry as estimators, with their parameters and defaults.

They are written out, for editors and type checkers to know them; a test compares them
with the registry. A default of None follows from something else, such as the number of
epochs from the validation, or is the method's own.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from processing.errors import UsageError

from .detector import Detector


@dataclass(kw_only=True, eq=False, repr=False)
class _Autoencoder(Detector):
    """An autoencoder, which reconstructs photos."""

    color: str | None = None
    sigma: float = 4.0
    loss: str = "ssim"
    latent: int | None = None
    corrupt: float | None = None
    corrupt_with: str = "both"
    segment: bool = False
    batch_size: int = 8
    epochs: int | None = None
    learning_rate: float | None = None
    search_rate: bool = False
    precision: str = "auto"


class MvtecCAE(_Autoencoder):
    """Reconstructs: strided convolutions."""

    method = "mvtecCAE"


class PaperCAE(_Autoencoder):
    """Reconstructs: strided convolutions with a dense code."""

    method = "paperCAE"


class BaselineCAE(_Autoencoder):
    """Reconstructs: convolutions and poolings."""

    method = "baselineCAE"


class InceptionCAE(_Autoencoder):
    """Reconstructs: inception blocks."""

    method = "inceptionCAE"


class ResnetCAE(_Autoencoder):
    """Reconstructs: concatenating skips."""

    method = "resnetCAE"


class SkipCAE(_Autoencoder):
    """Reconstructs: additive skips."""

    method = "skipCAE"


@dataclass(kw_only=True, eq=False, repr=False)
class AE(_Autoencoder):
    """Reconstructs: dense layers."""

    method = "AE"

    color: str | None = "rgb"
    loss: str = "l2"
    batch_size: int = 32


@dataclass(kw_only=True, eq=False, repr=False)
class CNN(Detector):
    """A classifier, which learns from defective photos, or synthetic defects."""

    method = "CNN"

    synthetic: bool = False
    batch_size: int = 16
    epochs: int | None = None
    learning_rate: float = 1e-3
    precision: str = "auto"

    @property
    def supervised(self) -> bool:
        return not self.synthetic


@dataclass(kw_only=True, eq=False, repr=False)
class AnoGAN(Detector):
    """Searches a GAN for the photo, or encodes it."""

    method = "AnoGAN"

    steps: int | None = None
    sigma: float = 2.0
    latent: int = 100
    encoder: bool = False
    width: int = 64
    batch_size: int = 16
    epochs: int | None = None
    learning_rate: float = 2e-4
    precision: str = "auto"


@dataclass(kw_only=True, eq=False, repr=False)
class _Features(Detector):
    """A method on the features of a pretrained network."""

    sigma: float = 4.0
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    levels: str | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class Contrastive(_Features):
    """Features that tell synthetic defects apart."""

    method = "contrastive"

    backbone: str = "swin_tiny"
    cluster: str = "kmeans"
    batch_size: int = 8
    epochs: int = 4
    learning_rate: float = 1e-4


@dataclass(kw_only=True, eq=False, repr=False)
class _Frozen(_Features):
    """A method on features of a network that stays as it is."""

    fit_runtime: str = "keras"


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureCAE(_Frozen):
    """Reconstructs pretrained features, linearly."""

    method = "featureCAE"

    top: float = 0.01


@dataclass(kw_only=True, eq=False, repr=False)
class PaDiM(_Frozen):
    """A Gaussian of pretrained features at every position."""

    method = "PaDiM"

    top: float = 0.01
    features: int | None = None
    preset: str = "levelled"


@dataclass(kw_only=True, eq=False, repr=False)
class PatchCore(_Frozen):
    """The most different patches of pretrained features."""

    method = "PatchCore"

    top: float = 0.01
    coreset: float = 0.05
    patches: int | None = None
    variance: float = 0.97
    whiten: bool = False
    known_defects: float = 0.0


@dataclass(kw_only=True, eq=False, repr=False)
class Ensemble(_Frozen):
    """PaDiM and PatchCore on the same features."""

    method = "ensemble"

    top: float = 0.01
    features: int | None = None
    coreset: float = 0.05
    patches: int | None = None
    variance: float = 0.97


@dataclass(kw_only=True, eq=False, repr=False)
class _Shots(_Frozen):
    """A method with a memory of a few good photos."""

    top: float = 0.01
    shots: int = 4
    rotations: int | None = None
    batch_size: int = 8
    epochs: int = 4
    learning_rate: float = 1e-3


@dataclass(kw_only=True, eq=False, repr=False)
class FewShot(_Shots):
    """The patches of a few photos, or of one."""

    method = "fewshot"

    known_defects: float = 0.0
    train: bool = False


@dataclass(kw_only=True, eq=False, repr=False)
class Unified(_Shots):
    """FewShot with learned projections; here of one category."""

    method = "unified"

    rotations: int | None = 1


@dataclass(kw_only=True, eq=False, repr=False)
class _Diffusion(Detector):
    """A diffusion model, which reconstructs photos from noise."""

    steps: int = 10
    sigma: float | None = None
    preset: str = "small"
    schedule: str = "linear"
    start: int = 250
    accumulate: int = 1
    batch_size: int = 16
    epochs: int | None = None
    learning_rate: float = 1e-3
    precision: str = "auto"


@dataclass(kw_only=True, eq=False, repr=False)
class DDAD(_Diffusion):
    """Diffusion, guided by the photo itself."""

    method = "DDAD"

    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    w: float = 2.0
    eta: float = 1.0
    adapt: int = 4
    w_adapt: float = 3.0
    adapt_rate: float = 1e-4
    adapt_keep: float = 0.1
    pixel_weight: float = 1.0
    learning_rate: float = 3e-4


@dataclass(kw_only=True, eq=False, repr=False)
class AnoDDPM(_Diffusion):
    """Diffusion from simplex noise."""

    method = "AnoDDPM"

    steps: int = 20
    start: int = 200
    noise_kind: str = "simplex"
    frequency: float = 64.0
    octaves: int = 6
    persistence: float = 0.8
    unit_noise: bool = False
    repeats: int = 3


_KINDS: tuple[type[Detector], ...] = (MvtecCAE, PaperCAE, BaselineCAE, InceptionCAE)
_KINDS += (ResnetCAE, SkipCAE, AE, FeatureCAE, CNN, AnoGAN, PaDiM, Contrastive)
_KINDS += (FewShot, Unified, PatchCore, Ensemble, DDAD, AnoDDPM)
ESTIMATORS = {kind.method: kind for kind in _KINDS}


def load(
    path: str | Path, results: str | Path = "results", *, decision: str | None = None
) -> Detector:
    """Return a trained and finetuned model, with the parameters that it was given.

    To be calibrated anew it needs the photos that it was trained with.

    Args:
        path: the model file that `Detector.save` or `train.py` wrote.
        results: where its decisions are.
        decision: name or id of one; None for the one in force.

    Raises:
        UserError: no such file or decision, or a model that is no estimator's: of
            several categories, or of a method of the user's own.
    """
    from methods.cli.paths import read_model
    from methods.detector.categories import load_category
    from methods.detector.decisions import check_name, choose_results
    from methods.engine.backend import load_backend

    path = Path(path)
    record = read_model(path)
    if record.method not in ESTIMATORS or record.categories:
        raise UsageError(
            f"{path}: expected a model of one category and of a method in "
            f"{', '.join(ESTIMATORS)}: methods.load takes others"
        )
    name = decision and check_name(decision)
    [(folder, decided)] = choose_results(record, Path(results), None, None, name)
    kind = ESTIMATORS[record.method]
    known = {item.name for item in fields(kind) if item.init}
    parameters = {
        key: _as_given(value)
        for key, value in (record.options or {}).items()
        if key in known
    }
    load_backend()
    detector = kind(**parameters)
    detector._take(path, *load_category(path))
    detector._decide(folder.name, decided)
    return detector


def _as_given(value: Any) -> Any:
    """Return an option of a record as a parameter: of two equal sides, one."""
    if not isinstance(value, list):
        return value
    return value[0] if len({*value}) == 1 and len(value) == 2 else tuple(value)
