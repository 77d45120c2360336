"""How to train."""

from dataclasses import dataclass

EPOCHS = 60  # planned where no number is given


@dataclass(frozen=True)
class Settings:
    """How to train; all that a resumed run has to know.

    Attributes:
        loss: a key of `LOSSES`.
        batch_size: images a step.
        epochs: the largest number of epochs, or None for `EPOCHS`.
        learning_rate: the peak rate, or None to search for it.
        policy: Keras dtype policy of the training, such as "mixed_bfloat16".
        seed: of weights, order and augmentation.
        patience: epochs without improvement until the end.
        plateau: epochs without improvement until the learning rate is halved.
    """

    loss: str = "ssim"
    batch_size: int = 8
    epochs: int | None = None
    learning_rate: float | None = None
    policy: str = "float32"
    seed: int = 42
    patience: int = 12
    plateau: int = 6

    @property
    def planned(self) -> int:
        """The number of epochs that the learning rate is planned for."""
        return self.epochs or EPOCHS
