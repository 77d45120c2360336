"""The calls that MLflow gets; it is not installed here."""

from types import SimpleNamespace

from keras_anomaly import MLflowLogger, PaDiM


def test_what_mlflow_is_told(monkeypatch):
    calls = []
    fake = SimpleNamespace(
        log_params=lambda params: calls.append(params),
        log_metrics=lambda metrics, step=None: calls.append((metrics, step)),
    )
    monkeypatch.setattr("keras_anomaly.mlflow_logger.optional", {"mlflow": fake}.get)
    logger, detector = MLflowLogger(), PaDiM(features=3)
    detector.decision_ = SimpleNamespace(threshold=2.5, min_area=7, TPR=1, TNR=None)
    logger.on_fit_begin(detector)
    logger.on_epoch(1, {"loss": 0.5})
    logger.on_fit_end(detector)
    assert calls == [
        {"method": "PaDiM", **detector.get_params()},
        ({"loss": 0.5}, 1),
        ({"threshold": 2.5, "min_area": 7.0, "recall": 1.0}, None),
    ]
