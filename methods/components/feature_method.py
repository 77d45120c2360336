"""What the methods on pretrained features share: images to one grid of features."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

import keras
import numpy as np
from keras import ops

from methods import backbones
from methods.backbones import weights as weight_files
from methods.backbones.extraction import EXTRACTS, some
from methods.backbones.graphs import Extract
from methods.base import BATCH, Method, NotFittedError
from methods.engine.progress_bar import tracked
from methods.engine.runtimes import KERAS, check_graphs
from processing.data.image_set import ImageSet
from processing.data.sizes import Size, side_for, size_for

LARGE = 384  # pixels, the side of squares that show small defects
ACTIVATIONS = 100  # numbers for each pixel that a backbone has in memory, about

Own = TypeVar("Own", bound="FeatureMethod")


class Front(NamedTuple):
    """Where networks on feature maps begin: at images, or where a runtime ends.

    Attributes:
        inputs: of Keras models, symbolic.
        maps: that follow from these, symbolic.
        take: makes of a batch of images (n, h, w, c) what the inputs are given.
    """

    inputs: Any
    maps: list[Any]
    take: Callable[[np.ndarray], Any]


@dataclass(kw_only=True, eq=False)
class FeatureMethod(Method):
    """A method on the feature maps of a pretrained backbone that stays as it is.

    It judges with its `graph`, a Keras model from images to [maps, scores], if it has
    no `judge` of its own.

    Args:
        name: of the method.
        image_shape: (h, w, c); grey images are given to the backbone as RGB.
        backbone: key of `backbones.BACKBONES`.
        weights: "imagenet", "random" or the path of a weight file.
        levels: comma-separated names of levels of the backbone; None for those of
            the strides that the method takes by default.
        sigma: pixels, the blur of the maps.
        fit_runtime: what calculates the features that are learned from, one of
            `FIT_RUNTIMES`; "onnx" needs the extra export, and is faster on a CPU.
        seed: of everything random.
    """

    strides: ClassVar[
        tuple[int, int]
    ]  # lowest and highest of the levels taken by default
    large_size: ClassVar[int] = 256  # as `size`, of images that have so many pixels
    from_scratch: ClassVar[bool] = False  # whether the backbone itself is trained
    clustered: ClassVar[bool] = False  # whether a cluster can share the training
    cache_bytes = 2**26  # the images are seen once

    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    levels: str | None = None
    sigma: float = 4.0
    fit_runtime: str = KERAS

    def __post_init__(self) -> None:
        super().__post_init__()
        self.graph: Any = None
        self.shared: Any = None  # backbone with weights, of several methods
        self._extracts: dict[str, tuple[Any, Extract]] = {}

    @property
    def variant(self) -> str:
        return self.backbone

    @classmethod
    def default_size(
        cls, sizes: Sequence[Size], options: Mapping[str, Any]
    ) -> tuple[int, int]:
        multiple = backbones.multiple(options.get("backbone", cls.backbone))
        return size_for(sizes, side_for(sizes, cls.size, cls.large_size), multiple)

    def check(self) -> None:
        check_graphs(self.fit_runtime)
        self.check_backbone()
        weight_files.check(self.backbone, self.weights, self.from_scratch)
        weight_files.find(self.backbone, self.weights)

    def check_backbone(self) -> None:
        """Raise a `UsageError` where the features asked for cannot be built."""
        _, names = self.choose_levels()
        backbones.check(self.backbone, (*self.image_shape[:2], 3), names)

    def check_fitted(self) -> None:
        if self.graph is None:
            raise NotFittedError(f"{self.name} is not fitted: call `fit`, or load one")

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the first chosen level."""
        stride = self.chosen_levels[0].stride
        return self.image_shape[0] // stride, self.image_shape[1] // stride

    @property
    def chosen_levels(self) -> list[backbones.Level]:
        """The levels whose features are taken, from shallow to deep."""
        return self.choose_levels()[0]

    def choose_levels(self) -> tuple[list[backbones.Level], list[str]]:
        """Return the levels that are taken, and the names of those to be built."""
        return backbones.choose(self.backbone, self.strides, self.levels)

    def build_backbone(self) -> None:
        """Put the backbone, with random weights, into `networks`.

        A method that shares one with others takes that, as it is.
        """
        if self.shared is not None:
            self.networks = {"backbone": self.shared}
            return
        _, names = self.choose_levels()
        shape = (*self.image_shape[:2], 3)
        self.networks = {"backbone": backbones.build(self.backbone, shape, names)}

    def share(self, network: Any, extract: Extract, places: Sequence[int]) -> None:
        """Take some of the maps of a backbone that other methods take, too.

        Args:
            network: the backbone, with weights.
            extract: of `extracts`, of all its maps.
            places: of the maps that the method takes.
        """
        chosen = [as_list(network.outputs)[i] for i in places]
        self.shared = keras.Model(network.inputs, chosen, name=network.name)
        self._extracts = {"backbone": (self.shared, some(extract, places))}

    def load_backbone(self) -> str:
        """Build the backbone with its weights; return the SHA-256 of their file.

        Of a shared one it is empty.
        """
        if self.weights == "random":
            keras.utils.set_random_seed(self.seed)
        self.build_backbone()
        if self.shared is not None:
            return ""
        network = self.networks["backbone"]
        return backbones.load_weights(network, self.backbone, self.weights)

    def twin(self: Own) -> Own:
        """Return a method with the same backbone and arrays, not yet fitted."""
        twin = type(self)(**self.get_config())
        twin.arrays, twin.shared = dict(self.arrays), self.shared
        twin.networks = self.own_backbones()
        twin._extracts = dict(self._extracts)
        return twin

    def own_backbones(self) -> dict[str, Any]:
        """Return those of `networks` that stay as they are."""
        return {x: y for x, y in self.networks.items() if x.startswith("backbone")}

    def calibrate(self, good: ImageSet) -> None:
        if self.shared is not None:
            return  # what shares it does so, for all
        if self.graph is None:  # it has a `judge` of its own
            super().calibrate(good)
            return
        highest = [maps.max() for maps, _ in self.outputs(good, self.judged)]
        self.arrays["good_maximum"] = np.array(max(highest))

    def backbone_bytes(self) -> int:
        """Return about how much memory the backbone takes while it works."""
        height, width, _ = self.image_shape
        activations = ACTIVATIONS * BATCH * height * width
        return 4 * (backbones.spec(self.backbone).parameters + activations)

    def inference_model(self, kind: str | None = None) -> Any | None:
        self.check_fitted()
        return self.graph

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        maps, scores = self.graph.predict_on_batch(images)
        return np.asarray(maps), np.asarray(scores)

    def feature_maps(self, images: Any, backbone: str = "backbone") -> list[Any]:
        """Return the feature maps of a symbolic batch of images (n, h, w, c).

        Args:
            images: those of the method.
            backbone: key of one in `networks`.
        """
        if self.image_shape[2] == 1:
            images = ops.repeat(images, 3, axis=-1)
        return as_list(self.networks[backbone](images))

    def all_maps(self, images: Any) -> list[Any]:
        """Return the feature maps of symbolic images, of every backbone in turn."""
        return [
            x for key in self.own_backbones() for x in self.feature_maps(images, key)
        ]

    def judged(self, maps: list[Any]) -> list[Any]:
        """Return maps (n, h, w) and scores (n,) of symbolic `all_maps`, once fitted."""
        raise NotImplementedError

    def make_graph(self, name: str) -> None:
        """Make the network that judges."""
        images = keras.Input(self.image_shape, name="images")
        maps = self.judged(self.all_maps(images))
        self.graph = keras.Model(images, maps, name=name)

    def extracts(self) -> list[Extract]:
        """Return the functions from RGB images to feature maps, in `fit_runtime`.

        One for each backbone; all that is learned uses the same ones.
        """
        for key, network in self.own_backbones().items():
            if self._extracts.get(key, (None,))[0] is not network:
                self._extracts[key] = network, EXTRACTS[self.fit_runtime](network)
        return [self._extracts[key][1] for key in self.own_backbones()]

    def front(self) -> Front:
        """Return where networks that train begin: at images, or else as `extracted`."""
        if self.fit_runtime != KERAS:
            return self.extracted()
        images = keras.Input(self.image_shape)
        return Front(images, self.all_maps(images), lambda images: images)

    def extracted(self) -> Front:
        """Return a front of the feature maps themselves, in `fit_runtime`."""
        extracts = self.extracts()
        networks = self.own_backbones().values()
        maps = [keras.Input(x.shape[1:]) for y in networks for x in y.outputs]

        def take(images: np.ndarray) -> tuple[np.ndarray, ...]:
            rgb = np.repeat(images, 3, -1) if images.shape[-1] == 1 else images
            return tuple(features for extract in extracts for features in extract(rgb))

        return Front(tuple(maps), maps, take)

    def function(
        self, network: Callable[[list[Any]], Any]
    ) -> Callable[[np.ndarray], list[np.ndarray]]:
        """Return the function from a batch of images to the outputs of a network.

        `network` makes of symbolic `all_maps` an output, or a list of them.
        """
        front = self.extracted()
        model = keras.Model(front.inputs, network(front.maps))

        def outputs(images: np.ndarray) -> list[np.ndarray]:
            found = model.predict_on_batch(front.take(images))
            return [np.asarray(x) for x in as_list(found)]

        return outputs

    def outputs(
        self, images: ImageSet, network: Callable[[list[Any]], Any]
    ) -> Iterator[list[np.ndarray]]:
        """Yield what a network makes of images, batch by batch, with progress.

        Args:
            images: prepared as the method's.
            network: see `function`.
        """
        make, batches = self.function(network), images.batches(BATCH)
        for batch in tracked(batches, -(-len(images) // BATCH), "features"):
            yield make(batch)


def as_list(maps: Any) -> list[Any]:
    """Return the outputs of a Keras model, which of a single one gives that alone."""
    return list(maps) if isinstance(maps, (list, tuple)) else [maps]
