"""What people send with a click."""

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

LONGEST = 200  # characters of a text that a client sends
LONGEST_REASON = 2000  # characters of one that a person writes


class Said(BaseModel):
    """Who says something, and nothing that is not asked for."""

    model_config = ConfigDict(extra="forbid")
    who: str = Field("", max_length=LONGEST)

    def by(self, request: Request) -> str:
        """Return who says it: without a name, the address that it came from."""
        return self.who or client(request)


def client(request: Request) -> str:
    """Return the address that a request came from, which stands for who sent it."""
    return request.client.host if request.client else ""
