"""What HTTP says and asks of learning from labelled photos."""

from typing import Any, Literal

from fastapi import FastAPI, Request, Response
from pydantic import Field

from .deciding import Deciding
from .learning import Learning
from .said import LONGEST, LONGEST_REASON, Said


class Wish(Said):
    """What is to be learned."""

    model: str = Field(max_length=LONGEST)
    what: Literal["decision", "model"]


class Successor(Said):
    """Which model is to judge."""

    model: str = Field(max_length=LONGEST)
    reason: str = Field("", max_length=LONGEST_REASON)


def add_learning(app: FastAPI, deciding: Deciding, learning: Learning) -> None:
    """Add the addresses of what is learned."""

    @app.get("/api/learning")
    def learned() -> dict[str, Any]:
        """Return what is learned, or was last, and how it compares."""
        return learning.state | learning.comparison()

    @app.post("/api/learning")
    def learn(wish: Wish, request: Request) -> dict[str, Any]:
        """Make a decision or an updated model of the labelled photos."""
        model = deciding.model(wish.model)
        learning.start(model, wish.what, wish.by(request))
        return learning.state

    @app.delete("/api/learning")
    def cancel() -> dict[str, Any]:
        """Cancel what is being learned, or put away what was."""
        learning.cancel()
        return learning.state

    @app.get("/api/learning/images/{number}")
    def image(number: int) -> Response:
        """Return an image of the comparison."""
        return Response(learning.picture(number), media_type="image/jpeg")

    @app.post("/api/models/{id:path}/model")
    def succeed(id: str, said: Successor, request: Request) -> dict[str, Any]:
        """Let another model judge in the place of one."""
        who = said.by(request)
        return deciding.put_in_place(id, said.model, who, said.reason).about
