"""How to train a network."""

from dataclasses import dataclass

EPOCHS = 60  # planned where no number is given
FALLBACK = 1e-3  # learning rate where none is given or found


@dataclass(frozen=True)
class Settings:
    """How to train; what a resumed run has to know besides the method's own options.

    Attributes:
        batch_size: images a step.
        epochs: the largest number of epochs, or None for `EPOCHS`.
        learning_rate: the peak rate, or None to search for it.
        policy: Keras dtype policy of the training, such as "mixed_bfloat16".
        seed: of weights, order and augmentation.
        patience: epochs without improvement until the end; None where the validation
            loss means nothing: training runs to the end and its last weights count.
        plateau: epochs without improvement until the learning rate is halved.
    """

    batch_size: int = 8
    epochs: int | None = None
    learning_rate: float | None = None
    policy: str = "float32"
    seed: int = 42
    patience: int | None = 12
    plateau: int = 6

    @property
    def planned(self) -> int:
        """The number of epochs that the learning rate is planned for."""
        return self.epochs or EPOCHS

    @property
    def peak(self) -> float:
        """The peak learning rate."""
        return self.learning_rate or FALLBACK
