"""The station's HTTP interface and pages; see docs/serve.md."""

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Response,
    StreamingResponse,
)
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field

from methods import __version__
from processing.errors import UsageError, UserError, reason, shortened
from processing.report.pages import TEMPLATES, render

from .batching import Busy, Unavailable
from .deciding import Refused
from .decisions import add_decisions
from .drift_pages import add_drift
from .events import Events
from .flow import Flow
from .flow_metrics import FlowCollector
from .hours import add_hours
from .metrics import Metrics
from .pictures import MEDIA, TYPES
from .said import LONGEST, LONGEST_REASON, Said, client
from .security import COOKIE, Access, Guard
from .station import BadImage, Station, answer
from .store import LARGEST_PAGE, Filter, Result, as_text
from .uploads import About, Uploads

OWN_TEMPLATES = Path(__file__).parent / "templates"
RETRY = "1"  # seconds after which a client that was refused may come again
STATIC = {
    "style.css": TEMPLATES,
    "report.css": TEMPLATES,
    "station.css": OWN_TEMPLATES,
    "station.js": OWN_TEMPLATES,
    "decisions.js": OWN_TEMPLATES,
    "hours.js": OWN_TEMPLATES,
    "learning.js": OWN_TEMPLATES,
    "sliders.js": OWN_TEMPLATES,
    "operating.js": TEMPLATES,
    "drift.css": OWN_TEMPLATES,
    "drift.js": OWN_TEMPLATES,
    "login.js": OWN_TEMPLATES,
    "icon.svg": OWN_TEMPLATES,
}
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "photo": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            },
        },
    }
}

Text = Annotated[str, Query(max_length=LONGEST)]
Verdicts = Literal["good", "defective"]
Kind = Literal["image", "overlay", "map", "mask"]


class Correction(Said):
    """What a person says of a result."""

    verdict: Verdicts
    comment: str = Field("", max_length=LONGEST_REASON)


def build_app(
    station: Station,
    events: Events,
    access: Access,
    largest: int,
    flow: Flow | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        station: that judges.
        events: that it publishes to.
        access: of requests.
        largest: bytes of a request's body.
        flow: that begins with the application, or None.
    """
    app = FastAPI(
        title="Inspection station",
        version=__version__,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )
    metrics = Metrics(station)
    _add_errors(app, metrics)
    _add_predict(app, station, metrics)
    _add_results(app, station)
    _add_corrections(app, station, metrics)
    _add_facts(app, events, metrics)
    add_decisions(app, station, events.tell)
    add_hours(app, station.store)
    add_drift(app, flow.drift if flow else None)
    if flow:
        metrics.registry.register(FlowCollector(flow))
        flow.start(metrics)
    _add_pages(app, access)
    app.add_middleware(Guard, access=access, largest=largest)
    return app


def _add_errors(app: FastAPI, metrics: Metrics) -> None:
    """Answer every error by one line."""

    def refuse(
        status: int, text: str, headers: Mapping[str, str] | None = None
    ) -> JSONResponse:
        metrics.refused.labels(status).inc()
        return JSONResponse({"detail": text}, status, headers)

    @app.exception_handler(HTTPException)
    async def known(_: Request, error: HTTPException) -> Response:
        return refuse(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        texts = (f"{x['loc'][-1]}: {x['msg']}" for x in error.errors())
        return refuse(422, "; ".join(texts))

    @app.exception_handler(Busy)
    async def busy(_: Request, __: Busy) -> Response:
        return refuse(503, "too many photos wait; try again", {"Retry-After": RETRY})

    @app.exception_handler(Unavailable)
    async def unavailable(_: Request, error: Unavailable) -> Response:
        return refuse(503, f"{error}; try again", {"Retry-After": RETRY})

    @app.exception_handler(UserError)
    async def failed(_: Request, error: UserError) -> Response:
        wrong = isinstance(error, BadImage | UsageError)
        status = error.status if isinstance(error, Refused) else 422 if wrong else 500
        return refuse(status, reason(error))


def _add_predict(app: FastAPI, station: Station, metrics: Metrics) -> None:
    uploads = Uploads(station, metrics)

    @app.post("/api/predict", openapi_extra=BODY)
    async def predict(
        request: Request,
        part: Text = "",
        station: Text = "",
        name: Text = "",
        model: Text = "",
    ) -> dict[str, Any]:
        """Judge a photo, or several in a form, all or none, and store the answers.

        A header `Idempotency-Key` makes a repeated request have the first one's answer.
        """
        about = About(part, station, model, request.headers.get("idempotency-key"))
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            found = await uploads.of_form(request, about)
            return {"results": [answer(result) for result in found]}
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise HTTPException(
                415,
                "expected image/* or multipart/form-data as the content type. "
                f"Received: {shortened(ascii(kind))}",
            )
        return answer(await uploads.of_body(request, name, about))


def _add_results(app: FastAPI, station: Station) -> None:
    store, picture_of = station.store, station.picture

    @app.get("/api/results")
    def results(
        verdict: Verdicts | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
        part: Text | None = None,
        station: Text | None = None,
        search: Text | None = None,
        limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
        below: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    ) -> dict[str, Any]:
        """Return stored results, newest first; `below` is `next` of the page before."""
        wanted = Filter(
            verdict=verdict,
            after=_utc(after),
            before=_utc(before),
            part=part,
            station=station,
            search=search,
        )
        found, total, end = store.find(wanted, limit, below)
        return {"results": [answer(x) for x in found], "total": total, "next": end}

    @app.get("/api/results/{id}")
    def result(id: str) -> dict[str, Any]:
        """Return one result."""
        return _told(store.get(id))

    @app.get("/api/results/{id}/{kind}", response_class=FileResponse)
    def picture(id: str, kind: Kind) -> FileResponse:
        """Return a picture of a result."""
        path = picture_of(id, kind)
        if path is None or not path.is_file():
            raise HTTPException(404, "there is no such picture")
        forever = {"Cache-Control": "private, max-age=31536000, immutable"}
        return FileResponse(path, media_type=MEDIA[TYPES[kind]], headers=forever)


def _add_corrections(app: FastAPI, station: Station, metrics: Metrics) -> None:
    @app.post("/api/results/{id}/correction")
    def correct(id: str, said: Correction, request: Request) -> dict[str, Any]:
        """Give a result the verdict of a person."""
        who = said.by(request)
        changed = station.correct(id, said.verdict, who, said.comment)
        metrics.corrections.inc(changed is not None)
        return _told(changed)

    @app.delete("/api/results/{id}/correction")
    def undo(id: str, request: Request, who: Text = "") -> dict[str, Any]:
        """Take the last correction of a result back."""
        changed = station.undo(id, who or client(request))
        metrics.corrections.inc(changed is not None)
        return _told(changed)


def _add_facts(app: FastAPI, events: Events, metrics: Metrics) -> None:
    @app.get("/api/events", response_class=StreamingResponse)
    async def listen() -> StreamingResponse:
        """Send results as they are made or corrected."""
        return StreamingResponse(events.stream(), media_type="text/event-stream")

    @app.get("/metrics")
    def prometheus() -> Response:
        """Return counters for Prometheus."""
        return Response(
            generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST
        )

    @app.get("/healthz")
    def healthy() -> dict[str, str]:
        """Say that the station answers."""
        return {"status": "ok"}


def _add_pages(app: FastAPI, access: Access) -> None:
    @app.get("/", include_in_schema=False)
    def page(request: Request) -> HTMLResponse:
        if not request.scope["known"]:
            return HTMLResponse(render("login.html", {}, OWN_TEMPLATES))
        content = {"csrf": access.csrf}
        return HTMLResponse(render("station.html", content, OWN_TEMPLATES))

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(render("api.html", {"api": app.openapi()}, OWN_TEMPLATES))

    @app.post("/api/login")
    def login(request: Request) -> Response:
        """Give a browser that sends the token its cookie."""
        if not access.has_token(request.headers):
            raise HTTPException(401, "expected the token")
        response = JSONResponse({"status": "ok"})
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, access.cookie, httponly=True, samesite="strict", secure=secure
        )
        return response

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> FileResponse:
        if name not in STATIC:
            raise HTTPException(404, "there is no such file")
        kind = KINDS[Path(name).suffix]
        return FileResponse(STATIC[name] / name, media_type=kind)


def _told(result: Result | None) -> dict[str, Any]:
    if result is None:
        raise HTTPException(404, "there is no such result")
    return answer(result)


def _utc(time: datetime | None) -> str | None:
    """Return a time as the store has them; one without a zone is in UTC."""
    if time is None:
        return None
    time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return as_text(time)
