"""What HTTP says and asks of drift."""

from typing import Any

from fastapi import FastAPI, HTTPException, Request
from pydantic import Field

from methods.pipeline.drifting import WATCHED, WORDS
from processing.decision.drift import alarm_line

from .drift import Drift
from .said import LONGEST_REASON, Said
from .streams import Stream


class Reset(Said):
    """Who has looked after what changed, and what it was."""

    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


def add_drift(app: FastAPI, drift: Drift | None) -> None:
    """Add the addresses of drift; without it they say that it is off."""

    @app.get("/api/drift")
    def streams() -> dict[str, Any]:
        """Return the streams that are watched, and which of them changed."""
        if drift is None:
            return {"alpha": 0, "line": None, "streams": []}
        with drift.lock:
            told = [_told(stream) for stream in drift.streams.values()]
        line = alarm_line(drift.alpha, len(WATCHED))
        return {"alpha": drift.alpha, "line": line, "streams": told}

    @app.get("/api/drift/{id}")
    def stream(id: str) -> dict[str, Any]:
        """Return a stream with the points of its charts."""
        found = drift.find(id) if drift else None
        if drift is None or found is None:
            raise HTTPException(404, "there is no such stream")
        with drift.lock:
            return _told(found) | {"points": found.points, "step": found.step}

    @app.post("/api/drift/{id}/reset")
    def reset(id: str, said: Reset, request: Request) -> dict[str, Any]:
        """Begin a stream anew, after somebody has looked."""
        found = drift.reset(id, said.by(request), said.reason) if drift else None
        if found is None:
            raise HTTPException(404, "there is no such stream")
        return _told(found)


def _told(stream: Stream) -> dict[str, Any]:
    charts, key = stream.charts, stream.key
    return {
        "id": key.id,
        "model": key.model,
        "decision": key.decision,
        "station": key.station,
        "photos": charts.count,
        "line": charts.line,
        "log10": {WORDS[name]: log for name, log in charts.logs.items()},
        "alarms": {WORDS[name]: photos for name, photos in charts.alarms.items()},
    }
