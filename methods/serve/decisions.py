"""What HTTP says and asks of the models' decisions."""

from typing import Any

from fastapi import FastAPI, Request
from pydantic import Field

from .deciding import Deciding, Tell
from .labelled import Labels
from .learning import Learning
from .learning_routes import add_learning
from .models import Served
from .said import LONGEST, LONGEST_REASON, Said
from .sliders import Sliders
from .station import Station


class Choice(Said):
    """Which decision a person puts in force."""

    name: str = Field(max_length=LONGEST)
    reason: str = Field("", max_length=LONGEST_REASON)


class ByHand(Said):
    """A decision that a person found by the sliders."""

    name: str = Field(max_length=LONGEST)
    threshold: float = Field(allow_inf_nan=False)
    min_area: int = Field(ge=1, le=2**31)


def add_decisions(app: FastAPI, station: Station, tell: Tell) -> None:
    """Add the addresses of models, their decisions, and what these are made from.

    Args:
        app: of the station.
        station: that judges.
        tell: browsers of a kind of event, and what it is.
    """
    deciding = Deciding(station, tell)
    labels = Labels(station, deciding.models_of, tell)
    station.ending.append(labels.close)
    labels.start()
    _add_models(app, deciding)
    _add_sliders(app, deciding, Sliders(deciding, labels))
    learning = Learning(deciding, labels)
    station.ending.append(learning.close)
    add_learning(app, deciding, learning)


def _add_models(app: FastAPI, deciding: Deciding) -> None:

    def told(model: Served) -> dict[str, Any]:
        earlier = deciding.earlier(model)
        decisions = model.decisions
        back = earlier if earlier in {x["id"] for x in decisions} else None
        return model.about | {
            "earlier": back,
            "decisions": decisions,
            "models": [*deciding.files_of(model)],
        }

    @app.get("/api/models")
    def models() -> list[dict[str, Any]]:
        """Return the models and their decisions; the first judges unless asked."""
        return [told(model) for model in deciding.station.models.values()]

    @app.post("/api/models/{id:path}/decision")
    def decide(id: str, choice: Choice, request: Request) -> dict[str, Any]:
        """Let a model judge by another of its decisions, by its name or id."""
        who = choice.by(request)
        return told(deciding.put_in_force(id, choice.name, who, choice.reason))

    @app.get("/api/changes")
    def changes() -> list[dict[str, Any]]:
        """Return what was changed of the station itself, the newest first."""
        return deciding.history()


def _add_sliders(app: FastAPI, deciding: Deciding, sliders: Sliders) -> None:
    @app.get("/api/models/{id:path}/sliders")
    def labelled(id: str) -> dict[str, Any]:
        """Return what judges labelled images at any threshold and minimum area."""
        return sliders.of(deciding.model(id))

    @app.post("/api/models/{id:path}/decisions")
    def keep(id: str, said: ByHand, request: Request) -> dict[str, Any]:
        """Keep a threshold and a minimum area as a decision, which is not in force."""
        who = said.by(request)
        found = said.name, said.threshold, said.min_area
        return sliders.keep(deciding.model(id), *found, who)
