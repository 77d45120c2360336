"""What Prometheus is told of the station."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from .station import Station
from .store import Result

PREFIX = "keras_anomaly_"


class Metrics:
    """Counters of one station.

    Args:
        station: whose queue is looked at.
    """

    def __init__(self, station: Station):
        registry = self.registry = CollectorRegistry()
        self.photos = Counter(
            f"{PREFIX}photos", "Photos judged", ["verdict", "model"], registry=registry
        )
        self.refused = Counter(
            f"{PREFIX}refused", "Requests refused", ["status"], registry=registry
        )
        self.corrections = Counter(
            f"{PREFIX}corrections", "Corrections, undone ones too", registry=registry
        )
        self.seconds = Histogram(
            f"{PREFIX}seconds", "From arrival to verdict", registry=registry
        )
        waiting = Gauge(
            f"{PREFIX}waiting", "Photos let in, not answered", registry=registry
        )
        waiting.set_function(lambda: station.queue.taken)
        replicas = {x.replicas for x in station.models.values() if x.replicas}
        if replicas:
            judging = Gauge(
                f"{PREFIX}replicas", "That judge; 0: no cluster", registry=registry
            )
            judging.set_function(lambda: sum(x.there for x in replicas))

    def judged(self, result: Result) -> None:
        """Count a result."""
        self.photos.labels(result.verdict, result.model).inc()
        self.seconds.observe(result.milliseconds / 1000)
