"""Training runs in MLflow."""

from typing import TYPE_CHECKING

from .callbacks import Callback, optional, settings, summary

if TYPE_CHECKING:
    from .detector import Detector


class MLflowLogger(Callback):
    """Logs parameters, losses and the decision to the MLflow run that is active.

    MLflow starts one if none is: `with mlflow.start_run():` around `fit` ends it.

    Raises:
        UserError: MLflow is not installed.
    """

    def __init__(self) -> None:
        self.mlflow = optional("mlflow")

    def on_fit_begin(self, detector: "Detector") -> None:
        self.mlflow.log_params(settings(detector))

    def on_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        self.mlflow.log_metrics(logs, step=epoch)

    def on_fit_end(self, detector: "Detector") -> None:
        self.mlflow.log_metrics(summary(detector))
