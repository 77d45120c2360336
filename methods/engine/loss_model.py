"""A model that knows its own loss."""

from abc import abstractmethod
from typing import Any

import keras


class LossModel(keras.Model):
    """What a trainer is: `call` makes what `batch_loss` compares with the targets."""

    @abstractmethod
    def batch_loss(self, targets: Any, outputs: Any) -> Any:
        """Return the loss of a batch, a scalar.

        Args:
            targets: what batches hold beside the inputs; None if nothing.
            outputs: of `call`.
        """

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of a batch, and the penalties on weights while training."""
        loss = self.batch_loss(y, y_pred)
        return loss + sum(self.losses, 0.0) if training else loss
