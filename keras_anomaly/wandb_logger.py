"""Training runs in Weights & Biases."""

from typing import TYPE_CHECKING, Any

from .callbacks import Callback, optional, settings, summary

if TYPE_CHECKING:
    from .detector import Detector


class WandbLogger(Callback):
    """Logs parameters, losses and the decision to Weights & Biases.

    They go to the run that is active, or to one of its own, which ends with the fit.

    Args:
        options: of `wandb.init`, for a run of its own, such as `project`.

    Raises:
        UserError: Weights & Biases is not installed.
    """

    def __init__(self, **options: Any) -> None:
        self.wandb = optional("wandb")
        self.options = options

    def on_fit_begin(self, detector: "Detector") -> None:
        self.own = self.wandb.run is None
        self.run = self.wandb.init(**self.options) if self.own else self.wandb.run
        self.run.config.update(settings(detector), allow_val_change=True)

    def on_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        self.run.log({"epoch": epoch, **logs})

    def on_fit_end(self, detector: "Detector") -> None:
        self.run.summary.update(summary(detector))
        if self.own:
            self.run.finish()
