"""The routes of the Open Inference Protocol, version 2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import sqznet
from sqznet.answers import checked_top
from sqznet.errors import SqznetError
from sqznet.learning.recognizer import Recognizer
from sqznet.serving import tensors
from sqznet.serving.desk import Desk
from sqznet.serving.problems import Problem
from sqznet.serving.served import Arrays, Served

INPUT, SCORES, UNKNOWN = "image", "scores", "unknown"
_VERSION = "1"
_JSON_LENGTH = "inference-header-content-length"
_SHORT = 1 << 12  # bytes of JSON that are read in microseconds


def routes(desk: Desk) -> list[Route]:
    """Those of the protocol; a model has the one version 1."""

    def served(request: Request, find: Callable[[str], Served] = desk.model) -> Served:
        version = request.path_params.get("version", _VERSION)
        if version != _VERSION:
            raise Problem(404, f"no version {version!r} of a model, expected {_VERSION!r}")
        return find(request.path_params["model"])

    async def server(request: Request) -> Response:
        extensions = ["binary_tensor_data", "classification"]
        return JSONResponse(
            {"name": "sqznet", "version": sqznet.__version__, "extensions": extensions}
        )

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        return JSONResponse({"ready": True})

    async def model(request: Request) -> Response:
        return JSONResponse(_described(served(request)))

    async def model_ready(request: Request) -> Response:
        found = served(request)
        if not found.is_ready:
            raise Problem(400, f"model {found.name!r} {found.lack}")
        return JSONResponse({"name": found.name, "ready": True})

    async def infer(request: Request) -> Response:
        found = served(request, desk.ready_model)
        body = await desk.body(request)
        length = request.headers.get(_JSON_LENGTH, str(len(body)))
        if not (length.isascii() and length.isdigit()):
            raise Problem(400, f"{_JSON_LENGTH} is {length!r}, expected a number of bytes")
        size = int(length[:19])
        if size <= _SHORT:
            asked = tensors.read(body, size, INPUT)
        else:  # in the loop's thread it would keep all others waiting
            asked = await asyncio.to_thread(tensors.read, body, size, INPUT)
        images = _images(asked.images, found)
        arrays: Arrays = await desk.ask(found.scores, images)
        outputs = _outputs(asked, arrays, found)
        head = {"model_name": found.name, "model_version": _VERSION}
        if asked.id is not None:
            head["id"] = asked.id
        content, json_length = tensors.write(head, outputs)
        if json_length is None:
            return Response(content, media_type="application/json")
        headers = {_JSON_LENGTH: str(json_length)}
        return Response(content, headers=headers, media_type="application/octet-stream")

    bases = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    return [  # tried in this order
        *(Route(f"{base}/infer", infer, methods=["POST"]) for base in bases),
        Route("/v2", server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        *(Route(base, model) for base in bases),
        *(Route(f"{base}/ready", model_ready) for base in bases),
    ]


def _described(served: Served) -> dict[str, Any]:
    """The metadata of a model: one input, which may be sent in other types too."""
    height, width = served.network.preprocessing.size
    taught = isinstance(served.model, Recognizer)
    input_ = (
        {"name": INPUT, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}
        if taught
        else {"name": INPUT, "datatype": "FP32", "shape": [-1, 3, height, width]}
    )
    outputs = [{"name": SCORES, "datatype": "FP32", "shape": [-1, len(served.model.labels)]}]
    if taught:
        outputs.append({"name": UNKNOWN, "datatype": "BOOL", "shape": [-1]})
    return {
        "name": served.name,
        "versions": [_VERSION],
        "platform": "sqznet",
        "inputs": [input_],
        "outputs": outputs,
    }


def _images(images: npt.NDArray[Any] | list[bytes], served: Served) -> Sequence[Any]:
    """The images of a request. Raises SqznetError if their shape is not the model's."""
    if isinstance(images, list):
        return images
    shape = list(images.shape)
    if images.dtype == np.uint8:
        if len(shape) != 4 or shape[3] not in (1, 3, 4):
            raise SqznetError(f"UINT8 of shape {shape}, expected [N, height, width, 3]")
        return list(images)
    if isinstance(served.model, Recognizer):
        raise SqznetError(f"FP32, but {served.name!r} takes photos: expected UINT8 or BYTES")
    expected = [3, *served.network.preprocessing.size]
    if shape[1:] != expected:
        raise SqznetError(f"FP32 of shape {shape}, expected {['N', *expected]}")
    return list(images)


def _outputs(asked: tensors.Request, arrays: Arrays, served: Served) -> list[tensors.Output]:
    wanted = asked.wanted
    if wanted is None:
        wanted = [tensors.Wanted(name, asked.binary, 0) for name in arrays]
    found: list[tensors.Output] = []
    for name, binary, classes in wanted:
        if name not in arrays:
            raise SqznetError(f"no output {name!r}, expected one of {', '.join(arrays)}")
        values = arrays[name]
        if classes:
            if name != SCORES:
                raise SqznetError(f"classification is for the output {SCORES!r}, not {name!r}")
            labels = served.model.labels
            values = tensors.classification(values, labels, checked_top(classes, len(labels)))
        found.append(tensors.Output(name, values, binary))
    return found
