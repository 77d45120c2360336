"""`train.py --ray`: what a method learns of very many images, made on a cluster.

The images are cut into shards. A node makes of each what the method's `shard` returns
(map), and the method puts that together in the order of the images (reduce).
"""

import logging
import uuid
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np

import methods
from methods.base import Run, on_one_machine
from methods.engine.progress_bar import tracked
from methods.jobs import ray_tasks
from processing.data.image_set import ImageSet
from processing.errors import UsageError, UserError

from .feature_method import LARGE, FeatureMethod

SHARDS = 256  # at most: sums are large, and all go to one machine
SMALLEST = 256  # images a shard
PROCESS = 2**30  # bytes of a worker besides what it learns

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a node has to know.

    Attributes:
        key: of this fit among others.
        method: its name, `package.module:Class`.
        config: of the method.
        arrays: of the method so far.
        backbone: the backbone's weights.
        images: all of them.
        given: what `shard` takes besides images.
    """

    key: str
    method: str = field(compare=False)
    config: Mapping[str, Any] = field(compare=False)
    arrays: Mapping[str, np.ndarray] = field(compare=False)
    backbone: Sequence[np.ndarray] = field(compare=False)
    images: ImageSet = field(compare=False)
    given: Any = field(compare=False)


@dataclass(kw_only=True, eq=False)
class ShardedMethod(FeatureMethod):
    """A method on the features of a grid of patches, whose training can be shared."""

    clustered = True
    large_size = LARGE

    @abstractmethod
    def arrange(self, maps: Sequence[Any]) -> Any:
        """Return the features (n, h, w, d) of a grid.

        Args:
            maps: symbolic, of the chosen levels.
        """

    @abstractmethod
    def distances(self, maps: Sequence[Any]) -> Any:
        """Return the distances (n, h, w) of a grid from good images, once fitted.

        Args:
            maps: symbolic, of the chosen levels.
        """

    def embedded(self, images: ImageSet) -> Iterator[np.ndarray]:
        """Yield the features (n, h, w, d) of images, batch by batch."""
        for [features] in self.outputs(images, self.arrange):
            yield features

    @abstractmethod
    def shard(self, images: ImageSet, start: int, given: Any) -> Any:
        """Return what is to be learned of some of many images.

        Args:
            images: the images of a shard.
            start: how many are before them.
            given: what the method needs besides.
        """


def check_shared(name: str, address: str | None) -> None:
    """Raise `UsageError` if a cluster is to share a training run and cannot."""
    if address and not getattr(methods.get(name), "clustered", False):
        raise UsageError(on_one_machine(name))


def sharing(run: Run | None, images: ImageSet) -> str | None:
    """Return the address of the cluster that is to share the images, if any is."""
    return run.cluster if run and len(images) > SMALLEST else None


def shards(
    method: ShardedMethod, images: ImageSet, given: Any, address: str, memory: int
) -> Iterator[Any]:
    """Yield what `method.shard` makes of each shard of the images, in order.

    Args:
        method: with its backbone.
        images: all of them.
        given: passed on to `shard`.
        address: of the cluster, see `methods.jobs.ray_tasks`.
        memory: bytes that a shard takes.
    """
    count = min(SHARDS, -(-len(images) // SMALLEST))
    bounds = np.linspace(0, len(images), count + 1).astype(int).tolist()
    job = Job(
        uuid.uuid4().hex,
        f"{type(method).__module__}:{type(method).__qualname__}",
        method.get_config(),
        method.arrays,
        method.networks["backbone"].get_weights(),
        images.uncached(),
        given,
    )
    parts = list(zip(bounds[:-1], bounds[1:], strict=True))
    work = partial(make_shard, job)
    _, results = ray_tasks.started(work, parts, address, memory + PROCESS, ordered=True)
    for (start, stop), result in tracked(results, count, "shards"):
        if isinstance(result, ray_tasks.Lost):
            raise UserError(f"training images {start + 1} to {stop}: {result}")
        yield result


def make_shard(job: Job, part: tuple[int, int]) -> Any:
    """Return what the method makes of some of the images; runs on a node."""
    start, stop = part
    images = job.images.subset(range(start, stop))
    return _method(job).shard(images, start, job.given)


@lru_cache(maxsize=1)  # a worker makes many shards
def _method(job: Job) -> ShardedMethod:
    method = methods.get(job.method)(**job.config)
    assert isinstance(method, ShardedMethod)
    method.arrays = dict(job.arrays)
    method.build_backbone()
    method.networks["backbone"].set_weights(job.backbone)
    return method
