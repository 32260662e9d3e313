"""The routes of a server: photos, teaching, the page and what describes it."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

import sqznet
from sqznet.answers import Prediction
from sqznet.detection.thresholds import DEFAULT
from sqznet.errors import ImageError, shown
from sqznet.learning.recognizer import Recognizer
from sqznet.serving import inference, metrics, openapi
from sqznet.serving.desk import Desk, count, one_of, query, share
from sqznet.serving.direct import Direct
from sqznet.serving.guard import Guard
from sqznet.serving.photos import TooLargeError
from sqznet.serving.problems import Problem, answer
from sqznet.serving.served import Doubt, Question, Served
from sqznet.serving.settings import Settings
from sqznet.serving.sought import Search
from sqznet.serving.taught import Lesson, Taught

_PAGE = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_FLAGS = {"true": True, "false": False}


def application(desk: Desk, settings: Settings) -> ASGIApp:
    """The ASGI application of a server."""
    routes = [*_photos(desk), *inference.routes(desk), *_about(desk)]
    taught = [served for served in desk.models if isinstance(served, Taught)]
    if taught:
        routes += _teaching(desk, taught[0])
    starlette = Starlette(routes=routes, exception_handlers={HTTPException: _no_route})
    return Guard(Direct(starlette, _refused, _failed), desk, settings)


def _photos(desk: Desk) -> list[Route]:
    async def classify(request: Request) -> Response:
        asked = query(request, "model", "top", "fast_decode")
        top = count(asked, "top", 5)
        fast = _FLAGS[one_of(asked, "fast_decode", _FLAGS, "false")]
        served = desk.ready_model(asked.get("model"))
        photo = await desk.photo(request)
        found = await desk.ask(served.classify, Question(photo, top, fast))
        return JSONResponse({"model": served.name, "predictions": list(map(_shown, found))})

    async def detect(request: Request) -> Response:
        asked = query(request, "threshold", "top")
        threshold, top = share(asked, "threshold", DEFAULT), count(asked, "top", 100)
        search = Search(await desk.photo(request), threshold, top)
        return JSONResponse(await desk.ask(desk.sought.detect, search))

    async def explain(request: Request) -> Response:
        asked = query(request, "model", "label", "format")
        form = one_of(asked, "format", ("png", "json"), "png")
        served = desk.ready_model(asked.get("model"))
        doubt = Doubt(await desk.photo(request), asked.get("label"))
        if form == "png":
            return Response(await desk.ask(served.draw, doubt), media_type="image/png")
        found = await desk.ask(served.explain, doubt)
        return JSONResponse({"model": served.name, **found})

    return [
        Route("/classify", classify, methods=["POST"]),
        Route("/detect", detect, methods=["POST"]),
        Route("/explain", explain, methods=["POST"]),
    ]


def _teaching(desk: Desk, taught: Taught) -> list[Route]:
    async def teach(request: Request) -> Response:
        label = query(request, "label").get("label")
        if label is None or not label.strip():
            raise Problem(400, "label is missing: name the class that the photo shows")
        lesson = Lesson(await desk.photo(request), label.strip())
        return JSONResponse(await desk.ask(taught.teach, lesson))

    async def save(request: Request) -> Response:
        query(request)
        if not taught.is_ready:
            raise Problem(409, "nothing to save: teach a class first")
        return JSONResponse(await desk.ask(taught.save, None))

    return [
        Route("/teach", teach, methods=["POST"]),
        Route("/teach/save", save, methods=["POST"]),
    ]


def _about(desk: Desk) -> list[Route]:
    async def models(request: Request) -> Response:
        return JSONResponse({"models": [_described(served) for served in desk.models]})

    async def counters(request: Request) -> Response:
        return Response(desk.metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def description(request: Request) -> Response:
        return JSONResponse(described)

    folder = files("sqznet.serving") / "page"
    teaches = any(isinstance(served, Taught) for served in desk.models)
    described = openapi.description(
        sqznet.__version__, [served.name for served in desk.models], teaches
    )

    def page(content: bytes, kind: str) -> Any:
        async def part_of_page(request: Request) -> Response:
            return Response(content, headers=_PAGE_HEADERS, media_type=kind)

        return part_of_page

    return [
        *(
            Route(at, page((folder / name).read_bytes(), kind))
            for at, (name, kind) in _PAGE.items()
        ),
        Route("/models", models),
        Route("/metrics", counters),
        Route("/openapi.json", description),
    ]


def _described(served: Served) -> dict[str, Any]:
    model = served.model
    return {
        "name": served.name,
        "kind": "recognizer" if isinstance(model, Recognizer) else "network",
        "ready": served.is_ready,
        "teachable": isinstance(served, Taught),
        "labels": list(model.labels),
        "activation": model.activation,
        "variant": served.network.variant,
        "precision": served.network.precision,
    }


def _shown(prediction: Prediction) -> dict[str, Any]:
    label, score, index = prediction
    return {"label": label, "score": score, "index": index}


def _refused(request: Request, error: Exception) -> Response:
    """The answer to a request that raised one of our errors."""
    if isinstance(error, HTTPException):
        return answer(error)
    status = 400
    if isinstance(error, ImageError):
        status = 413 if isinstance(error, TooLargeError) else 422
    return answer(Problem(status, str(error)))


def _failed() -> Response:
    return answer(Problem(500, "the server failed; its log says where"))


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    method, path = request.method, shown(request.url.path)
    allowed = dict(error.headers or {}).get("Allow")
    message = f"nothing is at {path}: /openapi.json describes what this server has"
    if error.status_code == 405 and allowed:
        message = f"{method} is not for {path}, expected {allowed}"
    return answer(Problem(error.status_code, message, error.headers))
