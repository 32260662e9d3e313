"""The description of the server's routes for programs: OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqznet.detection.thresholds import DEFAULT

Json = dict[str, Any]

_PROBLEMS = {
    "400": "A parameter or the body is wrong; `error` says what was found and expected.",
    "401": "The token is missing or wrong.",
    "403": "A page of another site, or a Host that is not this machine.",
    "404": "No such model.",
    "408": "The request was not complete in time.",
    "409": "The model has no classes yet.",
    "413": "The body or the photo is too large.",
    "415": "The body is compressed.",
    "422": "The body is no image that can be read.",
    "429": "Too many requests; come again after `Retry-After` seconds.",
    "503": "No answer in time; come again after `Retry-After` seconds.",
}
_LATER = ("429", "503")
_LOOK = ("401", "403")
_SEND = ("400", "401", "403", "408", "413", "415", "422", *_LATER)
_ASK = (*_SEND, "404", "409")

_TEXT: Json = {"type": "string"}
_WHOLE: Json = {"type": "integer"}
_NUMBER: Json = {"type": "number"}
_YES_OR_NO: Json = {"type": "boolean"}
_ANY: Json = {"type": "object"}
_FILE: Json = {"type": "string", "format": "binary"}
_JSON, _BYTES = "application/json", "application/octet-stream"


def description(version: str, models: Sequence[str], teaches: bool) -> Json:
    """The document. ``version``: of this package; ``models``: their names; ``teaches``: whether
    classes can be taught."""
    name = {"type": "string", "enum": list(models)}
    paths = {**_photos(name), **_protocol(name), **_about()}
    if teaches:
        paths |= _teaching()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sqznet",
            "summary": "SqueezeNet on a machine's CPU.",
            "version": version,
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {status: _problem(status) for status in _PROBLEMS},
            "schemas": _schemas(),
        },
    }


# --- The routes ------------------------------------------------------------------------------


def _photos(name: Json) -> Json:
    model = _query("model", name, "A name of `/models`; default: the first.")
    label = _query("label", _TEXT, "The name of the class; default: the most likely.")
    formats = {"type": "string", "enum": ["png", "json"], "default": "png"}
    form = _query("format", formats, "A picture with scores beside it, or JSON with the photo.")
    top = _query("top", {"type": "integer", "minimum": 1, "default": 5}, "How many.")
    fast = _query("fast_decode", {**_YES_OR_NO, "default": False}, "Decode large JPEGs smaller.")
    unit = {"type": "number", "minimum": 0, "maximum": 1, "default": DEFAULT}
    threshold = _query("threshold", unit, "The lowest score of an answer.")
    count = _query("top", {"type": "integer", "minimum": 1, "default": 100}, "How many at most.")
    explained = {"image/png": _FILE, _JSON: _ref("Explanation")}
    return {
        "/classify": _post(
            "classify",
            "The most likely classes of a photo, best first.",
            {_JSON: _ref("Classification")},
            _ASK,
            [model, top, fast],
            _PHOTO,
        ),
        "/detect": _post(
            "detect",
            "What is on a photo and where, best first; boxes in pixels of the upright photo.",
            {_JSON: _ref("Detections")},
            _SEND,
            [threshold, count],
            _PHOTO,
        ),
        "/explain": _post(
            "explain", "Where in a photo a class is.", explained, _ASK, [model, label, form], _PHOTO
        ),
    }


def _teaching() -> Json:
    taught = {_JSON: _ref("Taught")}
    label = _query("label", {"type": "string", "minLength": 1}, "The name of the class.", True)
    return {
        "/teach": _post("teach", "Learn a photo of a class.", taught, _SEND, [label], _PHOTO),
        "/teach/save": _post(
            "save", "Write the taught classes.", taught, ("400", *_LOOK, "409", *_LATER)
        ),
    }


def _protocol(name: Json) -> Json:
    """Those of the Open Inference Protocol."""
    live, ready = _object(["live"], live=_YES_OR_NO), _object(["ready"], ready=_YES_OR_NO)
    model_ready = _object(["name", "ready"], name=_TEXT, ready=_YES_OR_NO)
    paths = {
        "/v2": _get("server", "The server.", _ref("Server"), _LOOK),
        "/v2/health/live": _get("live", "Whether it is alive.", live, ("403",)),
        "/v2/health/ready": _get("ready", "Whether it is ready.", ready, ("403",)),
    }
    length = {"name": "Inference-Header-Content-Length", "in": "header", "schema": _COUNT}
    body = {"required": True, "content": _content({_JSON: _ref("Inference"), _BYTES: _FILE})}
    answer = {_JSON: _ref("Outputs"), _BYTES: _FILE}
    named = [_path("model", name)]
    for base, at, suffix in (
        ("/v2/models/{model}", named, ""),
        (
            "/v2/models/{model}/versions/{version}",
            [*named, _path("version", {"const": "1"})],
            "Version",
        ),
    ):
        paths |= {
            base: _get(f"model{suffix}", "A model.", _ref("Model"), (*_LOOK, "404"), at),
            f"{base}/ready": _get(
                f"modelReady{suffix}",
                "Whether a model is ready.",
                model_ready,
                ("400", *_LOOK, "404"),
                at,
            ),
            f"{base}/infer": _post(
                f"infer{suffix}", "Run a model.", answer, _ASK, [*at, length], body
            ),
        }
    return paths


def _about() -> Json:
    return {
        "/models": _get("models", "What the server offers.", _ref("Models"), _LOOK),
        "/metrics": _get("metrics", "Counters.", _TEXT, _LOOK, kind="text/plain"),
        "/openapi.json": _get("openapi", "This description.", _ANY, ("403",)),
    }


# --- The shapes of bodies --------------------------------------------------------------------


def _schemas() -> Json:
    tensor: Json = {"name": _TEXT, "datatype": _TEXT, "shape": _list(_WHOLE)}
    described = _list(_object(list(tensor), **tensor))
    sent: Json = {
        "name": {"const": "image"},
        "datatype": {"enum": ["FP32", "UINT8", "BYTES"]},
        "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
    }
    box = {"type": ["array", "null"], "items": _WHOLE, "minItems": 4, "maxItems": 4}
    prediction = {"label": _TEXT, "score": _NUMBER, "index": _WHOLE}
    size = {"width": _WHOLE, "height": _WHOLE}
    return {
        "Error": _all(error=_TEXT),
        "Classification": _all(model=_TEXT, predictions=_list(_all(**prediction))),
        "Explanation": _all(model=_TEXT, **prediction, box=box, **size, picture=_TEXT),
        "Detections": _all(
            detections=_list(_all(**prediction, box={**box, "type": "array", "items": _NUMBER})),
            **size,
        ),
        "Taught": _all(model=_TEXT, labels=_list(_TEXT), images=_WHOLE),
        "Models": _all(
            models=_list(
                _all(
                    name=_TEXT,
                    kind={"enum": ["network", "recognizer"]},
                    ready=_YES_OR_NO,
                    teachable=_YES_OR_NO,
                    labels=_list(_TEXT),
                    activation={"enum": ["softmax", "sigmoid", "none"]},
                    variant=_TEXT,
                    precision={"enum": ["float32", "float16", "int8"]},
                )
            )
        ),
        "Server": _all(name=_TEXT, version=_TEXT, extensions=_list(_TEXT)),
        "Model": _all(
            name=_TEXT, versions=_list(_TEXT), platform=_TEXT, inputs=described, outputs=described
        ),
        "Inference": _object(
            ["inputs"],
            id=_TEXT,
            parameters=_ANY,
            inputs={
                **_list(_object(list(sent), **sent, data=_list({}), parameters=_ANY)),
                "minItems": 1,
                "maxItems": 1,
            },
            outputs=_list(_object(["name"], name=_TEXT, parameters=_ANY)),
        ),
        "Outputs": _object(
            ["model_name", "model_version", "outputs"],
            model_name=_TEXT,
            model_version=_TEXT,
            id=_TEXT,
            outputs=_list(_object(list(tensor), **tensor, data=_list({}), parameters=_ANY)),
        ),
    }


# --- The parts -------------------------------------------------------------------------------


def _get(
    name: str,
    summary: str,
    schema: Json,
    problems: Sequence[str],
    parameters: Sequence[Json] = (),
    kind: str = _JSON,
) -> Json:
    return {"get": _operation(name, summary, {kind: schema}, problems, parameters)}


def _post(
    name: str,
    summary: str,
    answers: Mapping[str, Json],
    problems: Sequence[str],
    parameters: Sequence[Json] = (),
    body: Json | None = None,
) -> Json:
    operation = _operation(name, summary, answers, problems, parameters)
    return {"post": operation if body is None else {**operation, "requestBody": body}}


def _operation(
    name: str,
    summary: str,
    answers: Mapping[str, Json],
    problems: Sequence[str],
    parameters: Sequence[Json],
) -> Json:
    responses: Json = {"200": {"description": summary, "content": _content(answers)}}
    responses |= {status: {"$ref": f"#/components/responses/{status}"} for status in problems}
    return {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "responses": responses,
    }


def _problem(status: str) -> Json:
    found: Json = {"description": _PROBLEMS[status], "content": _content({_JSON: _ref("Error")})}
    if status in _LATER:
        found["headers"] = {"Retry-After": {"schema": _WHOLE}}
    return found


def _content(schemas: Mapping[str, Json]) -> Json:
    return {kind: {"schema": schema} for kind, schema in schemas.items()}


def _query(name: str, schema: Json, meaning: str, required: bool = False) -> Json:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "schema": schema,
        "description": meaning,
    }


def _path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(required: Sequence[str], **properties: Json) -> Json:
    return {"type": "object", "required": list(required), "properties": properties}


def _all(**properties: Json) -> Json:
    return _object(list(properties), **properties)


_COUNT: Json = {"type": "integer", "minimum": 0}
_PHOTO: Json = {
    "required": True,
    "description": "The bytes of an image file, or a form with it as its one file.",
    "content": _content(
        {_BYTES: _FILE, "image/*": _FILE, "multipart/form-data": _all(photo=_FILE)}
    ),
}
