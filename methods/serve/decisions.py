"""What HTTP says and asks of the models' decisions."""

from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from .deciding import Deciding
from .models import Served
from .uploads import LONGEST, client

LONGEST_REASON = 2000  # characters


class Choice(BaseModel):
    """Which decision a person puts in force."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(max_length=LONGEST)
    who: str = Field("", max_length=LONGEST)
    reason: str = Field("", max_length=LONGEST_REASON)


def add_decisions(app: FastAPI, deciding: Deciding) -> None:
    """Add the addresses of models and their decisions."""

    def told(model: Served) -> dict[str, Any]:
        earlier = deciding.earlier(model)
        decisions = model.decisions
        back = earlier if earlier in {x["id"] for x in decisions} else None
        return model.about | {"earlier": back, "decisions": decisions}

    @app.get("/api/models")
    def models() -> list[dict[str, Any]]:
        """Return the models and their decisions; the first judges unless asked."""
        return [told(model) for model in deciding.station.models.values()]

    @app.post("/api/models/{id:path}/decision")
    def decide(id: str, choice: Choice, request: Request) -> dict[str, Any]:
        """Let a model judge by another of its decisions, by its name or id."""
        who = choice.who or client(request)
        return told(deciding.put_in_force(id, choice.name, who, choice.reason))

    @app.get("/api/changes")
    def changes() -> list[dict[str, Any]]:
        """Return what was changed of the station itself, the newest first."""
        return deciding.history()
