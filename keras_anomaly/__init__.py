"""Image anomaly detection on Keras: learn from good parts, judge others.

Importing this imports nothing more; a name is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from methods import __version__

if TYPE_CHECKING:
    from methods.detector.judge import Verdict
    from processing.decision.calibration import Rule
    from processing.decision.goals import Goal
    from processing.errors import UserError

    from .callbacks import Callback
    from .detector import Detector
    from .estimators import (
        AE,
        CNN,
        DDAD,
        AnoDDPM,
        AnoGAN,
        BaselineCAE,
        Contrastive,
        Ensemble,
        FeatureCAE,
        FewShot,
        InceptionCAE,
        MvtecCAE,
        PaDiM,
        PaperCAE,
        PatchCore,
        ResnetCAE,
        SkipCAE,
        Unified,
        load,
    )
    from .mlflow_logger import MLflowLogger
    from .wandb_logger import WandbLogger

__all__ = ["AE", "CNN", "DDAD", "AnoDDPM", "AnoGAN", "BaselineCAE", "Contrastive"]
__all__ += ["Ensemble", "FeatureCAE", "FewShot", "InceptionCAE", "MvtecCAE", "PaDiM"]
__all__ += ["PaperCAE", "PatchCore", "ResnetCAE", "SkipCAE", "Unified", "load"]
__all__ += ["Callback", "Detector", "Goal", "MLflowLogger", "Rule", "Verdict"]
__all__ += ["UserError", "WandbLogger", "__version__"]

_HOMES = {  # of the names that are not in estimators.py
    "Verdict": "methods.detector.judge",
    "Rule": "processing.decision.calibration",
    "Goal": "processing.decision.goals",
    "UserError": "processing.errors",
    "Callback": "keras_anomaly.callbacks",
    "Detector": "keras_anomaly.detector",
    "MLflowLogger": "keras_anomaly.mlflow_logger",
    "WandbLogger": "keras_anomaly.wandb_logger",
}


if not TYPE_CHECKING:  # a type checker is to know the names above alone

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(
            import_module(_HOMES.get(name, "keras_anomaly.estimators")), name
        )


def __dir__() -> list[str]:
    return __all__
