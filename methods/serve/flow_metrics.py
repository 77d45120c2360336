"""What Prometheus is told of what flows in and out."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from methods.pipeline.drifting import WORDS

from .flow import Flow
from .metrics import PREFIX


class FlowCollector(Collector):
    """Looks at a flow when it is asked.

    Args:
        flow: of a station.
    """

    def __init__(self, flow: Flow):
        self.flow = flow

    def describe(self) -> list[Metric]:
        """Return nothing: the names are known when they are asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what is told."""
        spool, kept = self.flow.spool, self.flow.station.kept.bytes
        name = f"{PREFIX}kept_bytes"
        yield GaugeMetricFamily(name, "Of photos and pictures", kept)
        waiting = GaugeMetricFamily(
            f"{PREFIX}undelivered", "Messages that wait", labels=["receiver"]
        )
        dropped = CounterMetricFamily(
            f"{PREFIX}dropped", "Messages too old or too many", labels=["receiver"]
        )
        refused = GaugeMetricFamily(
            f"{PREFIX}put_aside", "Messages refused for good", labels=["receiver"]
        )
        aside = spool.refused()
        for receiver, count in spool.waiting().items():
            waiting.add_metric([receiver], count)
            dropped.add_metric([receiver], spool.dropped[receiver])
            refused.add_metric([receiver], aside[receiver])
        yield from (waiting, dropped, refused)
        if self.flow.drift:
            yield from self._drift()

    def _drift(self) -> Iterator[Metric]:
        drift = self.flow.drift
        assert drift
        labels = ["station", "model", "quantity"]
        capital = GaugeMetricFamily(
            f"{PREFIX}drift_log10", "Capital of the charts of drift", labels=labels
        )
        with drift.lock:
            for stream in drift.streams.values():
                for name, log in stream.charts.logs.items():
                    about = [stream.key.station, stream.key.model, WORDS[name]]
                    capital.add_metric(about, log)
        yield capital
        alarms = CounterMetricFamily(
            f"{PREFIX}drift_alarms", "Alarms of drift, ever", labels=["quantity"]
        )
        for quantity, count in drift.alarm_counts().items():
            alarms.add_metric([quantity], count)
        yield alarms
