"""How networks are made ready to train, and Adam with a shape over the steps."""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree


class ShapedAdam(keras.optimizers.Adam):
    """Adam that multiplies its learning rate by `shape(step)` at each step.

    `learning_rate` stays a plain variable, which callbacks may change between epochs.
    `shape` maps a float tensor, the number of finished steps, to a positive factor.
    """

    def __init__(self, learning_rate: float, shape: Callable, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.shape = shape

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Apply a step to all variables, whose factor is computed once for all."""
        self._factor = self.shape(ops.cast(self.iterations, "float32"))
        super().apply(grads, trainable_variables)
        del self._factor  # a tracer of JAX must not outlive its step

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Apply one Adam update of `variable` at the shaped learning rate."""
        factor = ops.cast(self._factor, learning_rate.dtype)
        super().update_step(gradient, variable, learning_rate * factor)


WARM_UP = 200  # steps


def cosine(steps: int) -> Callable:
    """Return a linear warm-up and then half a cosine, from 1 to 1/100 at `steps`.

    Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts.
    """

    def shape(step: Any) -> Any:
        progress = ops.minimum(step / float(steps), 1.0)
        decay = 0.01 + 0.99 * 0.5 * (1 + ops.cos(math.pi * progress))
        return decay * ops.minimum((step + 1) / WARM_UP, 1.0)

    return shape


def geometric(ratio: float, steps: int) -> Callable:
    """Return a shape that rises geometrically from 1 to `ratio` over `steps`."""

    def shape(step: Any) -> Any:
        return ratio ** (step / max(steps - 1, 1))

    return shape


def on_gpu() -> bool:
    """Return whether Keras computes on a GPU."""
    devices = keras.distribution.list_devices()
    return any(name in device.lower() for device in devices for name in ("gpu", "cuda"))


def create(model: keras.Model, inputs: Any) -> None:
    """Let a model create what it creates on its first call, computing nothing.

    A real call would compile every operation for itself on JAX, as the first
    `predict_on_batch` of a model that is not built does, too.

    Args:
        model: any.
        inputs: arrays, or a structure of them, such as it is called with.
    """
    model(tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inputs))


def predict(model: keras.Model, inputs: Any) -> Any:
    """Return what the model's `predict_on_batch` does, from the first call on."""
    if not model.built and keras.backend.backend() == "jax":
        create(model, inputs)
    return model.predict_on_batch(inputs)


def compile_trainer(
    trainer: keras.Model, optimizer: str | keras.optimizers.Optimizer
) -> None:
    """Compile with XLA except where it is slower: TensorFlow on a CPU.

    An optimizer that is no name gets its variables now: TensorFlow would trace the
    first step twice if that had to create them. All layers have to be built.
    """
    slow = keras.backend.backend() == "tensorflow" and not on_gpu()
    trainer.compile(optimizer, jit_compile=False if slow else "auto")
    if not isinstance(optimizer, str):
        trainer.optimizer.build(trainer.trainable_variables)
