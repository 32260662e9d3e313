"""A running server, asked over real connections."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet

from ..support.patterns import write_folder
from ..support.places import CHELSEA, COFFEE
from ..support.serving import Running, form, running

for library in ("starlette", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(library, reason=f"the server needs {library}")

from sqznet.detection.loading import BUNDLED  # noqa: E402
from sqznet.serving.served import Models, Served  # noqa: E402
from sqznet.serving.settings import Limits, Settings  # noqa: E402
from sqznet.serving.sought import Search, Sought  # noqa: E402
from sqznet.serving.taught import taught  # noqa: E402

PIXELS = 1_000_000
LIMITS = Limits(body=2_000_000, pixels=PIXELS, seconds=20)
CLASSIFY = "/classify"
INFER = "/v2/models/net/infer"


@pytest.fixture(scope="module")
def network(coarse: Path) -> sqznet.Model:
    return sqznet.load(coarse)


@pytest.fixture(scope="module")
def server(network: sqznet.Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    shown = write_folder(tmp_path_factory.mktemp("shown"), ("rings", "checks"), 1)
    learned = sqznet.learn(shown, model=network, mirror=False)
    models = [Served("net", network, PIXELS), Served("kinds", learned, PIXELS)]
    with running(models, Settings(limits=LIMITS)) as found:
        yield found


@pytest.fixture
def school(network: sqznet.Model, tmp_path: Path) -> Iterator[Running]:
    """A server that learns classes and saves them in ``tmp_path / "mine.sqz"``."""
    models = [Served("net", network, PIXELS), taught(tmp_path / "mine.sqz", network, PIXELS)]
    with running(models, Settings(limits=LIMITS)) as found:
        yield found


def shown(predictions: list[sqznet.Prediction]) -> list[dict[str, Any]]:
    return [p._asdict() for p in predictions]


# --- Photos ----------------------------------------------------------------------------------


def test_a_photo_gets_the_models_answer(server: Running, network: sqznet.Model) -> None:
    photo = CHELSEA.read_bytes()
    expected = {"model": "net", "predictions": shown(network.classify(photo, 3))}
    assert server.post("/classify?top=3", photo).json == expected
    body, kind = form(photo)
    assert server.post("/classify?top=3", body, content_type=kind).json == expected


def test_fast_decode_is_the_models(server: Running, network: sqznet.Model) -> None:
    photo = io.BytesIO()
    with Image.open(COFFEE) as coffee:
        coffee.resize((900, 900)).save(photo, "JPEG")
    found = server.post("/classify?fast_decode=true", photo.getvalue()).json
    assert found["predictions"] == shown(network.classify(photo.getvalue(), fast_decode=True))


def test_many_callers_get_their_own_answers(server: Running, network: sqznet.Model) -> None:
    photos = [CHELSEA.read_bytes(), COFFEE.read_bytes(), b"no photo"]
    expected = [shown(network.classify(photo, 2)) for photo in photos[:2]]
    found: dict[int, Any] = {}

    def ask(i: int) -> None:
        found[i] = server.post("/classify?top=2", photos[i % 3])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, answer in found.items():
        assert answer.status == (200, 200, 422)[i % 3]
        if i % 3 < 2:
            assert answer.json["predictions"] == expected[i % 3]
    assert len(found) == 24


def test_a_recognizer_answers_too(server: Running) -> None:
    found = server.post("/classify?model=kinds", CHELSEA.read_bytes()).json
    assert found["model"] == "kinds"
    assert {p["label"] for p in found["predictions"]} <= {"rings", "checks", "unknown"}


def test_an_explanation_is_a_picture_or_json(server: Running, draws_text: None) -> None:
    photo = COFFEE.read_bytes()
    answer = server.post("/explain", photo)
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.body)).format == "PNG"
    found = server.post("/explain?format=json", photo).json
    best = server.post("/classify?top=1", photo).json["predictions"][0]
    assert (found["label"], found["index"]) == (best["label"], best["index"])
    assert found["score"] == pytest.approx(best["score"], rel=1e-4)
    with Image.open(COFFEE) as coffee:
        assert (found["width"], found["height"]) == coffee.size
    assert found["picture"].startswith("data:image/jpeg;base64,")


def test_animals_are_found(server: Running) -> None:
    found = server.post("/detect?threshold=0.1", PHOTO).json
    expected = BUNDLED().detect(PHOTO, 0.1)
    assert expected
    assert [(d["label"], d["score"], d["box"]) for d in found["detections"]] == [
        (d.label, d.score, list(d.box[:4])) for d in expected
    ]
    with Image.open(CHELSEA) as cat:
        assert (found["width"], found["height"]) == cat.size
    few = server.post("/detect?threshold=0.1&top=1", PHOTO).json["detections"]
    assert few == found["detections"][:1]


def test_searches_of_one_batch_keep_to_their_own_limits() -> None:
    sought = Sought(BUNDLED(), PIXELS)
    searches = [Search(PHOTO, 0.01, 2), Search(b"no photo", 0.5, 1), Search(PHOTO, 0.99, 100)]
    many, error, none = sought.detect(searches, others=False)
    assert len(many["detections"]) == 2
    assert isinstance(error, sqznet.ImageError)
    assert none["detections"] == []


def blank(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


PHOTO = CHELSEA.read_bytes() if CHELSEA.exists() else b""
NO_FILE, NO_FILE_TYPE = form(b"text", file_name=None)
WRONG = {
    "no photo": ((CLASSIFY, b"hello"), 422, "no image format that Pillow reads"),
    "a cut photo": ((CLASSIFY, PHOTO[:9000]), 422, "truncated"),
    "nothing": ((CLASSIFY, b""), 400, "no photo: send the bytes"),
    "too many bytes": ((CLASSIFY, bytes(2_000_001)), 413, "larger than 2000000 bytes"),
    "too many pixels": ((CLASSIFY, blank(2000, 2000)), 413, "2000 x 2000 pixels, this server"),
    "an unknown model": (("/classify?model=x", PHOTO), 404, "no model 'x', expected one of 'net'"),
    "an unknown parameter": (("/classify?tpo=3", PHOTO), 400, "unknown parameter 'tpo'"),
    "a parameter twice": (("/classify?top=3&top=4", PHOTO), 400, "top stands twice"),
    "no count": (("/classify?top=0", PHOTO), 400, "top is '0', expected a whole number"),
    "no threshold": (
        ("/detect?threshold=nan", PHOTO),
        400,
        "threshold is 'nan', expected a number",
    ),
    "no photo to search": (("/detect", b"hello"), 422, "no image format that Pillow reads"),
    "no flag": (("/classify?fast_decode=1", PHOTO), 400, "fast_decode is '1', expected true or"),
    "an unknown label": (("/explain?label=x", PHOTO), 400, "no class is named 'x'"),
    "an unknown format": (("/explain?format=gif", PHOTO), 400, "format is 'gif'"),
    "an unknown page": (("/nothing", PHOTO), 404, "nothing is at '/nothing'"),
    "a form without file": ((CLASSIFY, NO_FILE, NO_FILE_TYPE), 400, "the form cannot be read"),
    "no form": ((CLASSIFY, PHOTO, "multipart/form-data; boundary=x"), 400, "the form"),
    "a form without boundary": ((CLASSIFY, PHOTO, "multipart/form-data"), 400, "[Bb]oundary"),
    "wrong JSON": ((INFER, b"{"), 400, "not valid JSON"),
    "another shape": (
        (INFER, b'{"inputs":[{"name":"image","datatype":"FP32","shape":[1,1],"data":[0]}]}'),
        400,
        r"FP32 of shape \[1, 1\], expected",
    ),
    "an unknown version": (("/v2/models/net/versions/7/infer", b"{}"), 404, "no version '7'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_gets_one_clear_answer(server: Running, name: str) -> None:
    (path, body, *kind), status, message = WRONG[name]
    answer = server.post(path, body, **({"content_type": kind[0]} if kind else {}))
    assert answer.status == status
    assert answer.json.keys() == {"error"}
    assert re.search(message, answer.error), answer.error


def test_another_method_and_a_compressed_body_are_refused(server: Running) -> None:
    answer = server.get(CLASSIFY)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.error == "GET is not for '/classify', expected POST"
    assert server.send("HEAD", "/", None, {}).status == 200
    assert server.post(CLASSIFY, PHOTO, content_encoding="gzip").status == 415


def chunked(server: Running, pieces: list[bytes]) -> tuple[int, bytes]:
    """A body whose length is not known in advance."""
    connection = server.connection()
    connection.request("POST", CLASSIFY, iter(pieces), encode_chunked=True)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_the_limit_holds_for_bodies_of_unknown_length(server: Running) -> None:
    assert chunked(server, [PHOTO[:500], PHOTO[500:]])[0] == 200
    with_too_many = [bytes(500_000)] * 5
    try:
        status, body = chunked(server, with_too_many)
    except (BrokenPipeError, ConnectionResetError):
        return  # it closed the connection before we had sent everything
    assert (status, b"larger than" in body) == (413, True)


# --- Teaching --------------------------------------------------------------------------------


def test_classes_are_taught_and_saved(school: Running, tmp_path: Path) -> None:
    answer = school.post("/classify?model=mine", PHOTO)
    assert (answer.status, answer.error) == (
        409,
        "model 'mine' has no classes yet: teach one first",
    )
    assert school.post("/v2/models/mine/infer", b"{}").status == 409
    assert school.get("/v2/models/mine/ready").status == 400
    assert school.post("/teach/save", b"").status == 409
    assert school.post("/teach?label=cat", PHOTO).json == {
        "model": "mine",
        "labels": ["cat"],
        "images": 1,
    }
    school.post("/teach?label=cup", COFFEE.read_bytes())
    assert school.post("/teach/save", b"").json["labels"] == ["cat", "cup"]
    found = school.post("/classify?model=mine&top=1", PHOTO).json
    assert found["predictions"][0]["label"] == "cat"
    assert (tmp_path / "mine.sqz").stat().st_size > 1000


def test_what_cannot_be_taught_is_said(school: Running) -> None:
    assert school.post("/teach", PHOTO).status == 400
    assert school.post("/teach?label=%20", PHOTO).status == 400
    assert school.post("/teach?label=cat", b"no photo").status == 422
    school.post("/teach?label=cat", PHOTO)
    assert school.get("/models").json["models"][1]["labels"] == ["cat"]


def test_a_folder_that_is_missing_is_said_before(network: sqznet.Model, tmp_path: Path) -> None:
    with pytest.raises(sqznet.SqznetError, match="no such folder"):
        taught(tmp_path / "none" / "mine.sqz", network, PIXELS)


# --- The Open Inference Protocol -------------------------------------------------------------


def test_tensors_give_the_models_scores(server: Running, network: sqznet.Model) -> None:
    x = network.preprocess(CHELSEA)
    tensor = {"name": "image", "datatype": "FP32", "shape": list(x.shape)}
    document = json.dumps({"id": "1", "inputs": [{**tensor, "data": x.ravel().tolist()}]})
    found = server.post(INFER, document.encode()).json
    assert (found["id"], found["model_name"], found["model_version"]) == ("1", "net", "1")
    scores = found["outputs"][0]["data"]
    expected = network.classify(CHELSEA, top=network.num_classes)
    for prediction in expected:
        assert scores[prediction.index] == pytest.approx(prediction.score, rel=1e-4, abs=1e-7)


def test_photos_as_arrays_and_files_give_the_same(server: Running) -> None:
    with Image.open(CHELSEA) as cat:
        pixels = np.asarray(cat.convert("RGB").resize((200, 150)))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")

    def scores(kind: str, shape: list[int], blob: bytes) -> Any:
        parameters = {"binary_data_size": len(blob)}
        tensor = {"name": "image", "datatype": kind, "shape": shape, "parameters": parameters}
        head = json.dumps({"inputs": [tensor]}).encode()
        length = {"inference_header_content_length": str(len(head))}
        return server.post(INFER, head + blob, **length).json["outputs"]

    content = file.getvalue()
    as_file = scores("BYTES", [1], len(content).to_bytes(4, "little") + content)
    assert as_file == scores("UINT8", [1, *pixels.shape], pixels.tobytes())
    two = scores("UINT8", [2, *pixels.shape], 2 * pixels.tobytes())[0]
    assert two["shape"][0] == 2
    assert two["data"] == pytest.approx(2 * as_file[0]["data"], rel=1e-5)


def test_a_recognizer_says_what_is_unknown(server: Running) -> None:
    path = "/v2/models/kinds"
    described = server.get(path).json
    assert [output["name"] for output in described["outputs"]] == ["scores", "unknown"]
    tensor = {"name": "image", "datatype": "UINT8", "shape": [1, 2, 2, 3], "data": [0] * 12}
    found = server.post(f"{path}/infer", json.dumps({"inputs": [tensor]})).json["outputs"]
    assert [(output["datatype"], output["shape"]) for output in found] == [
        ("FP32", [1, 2]),
        ("BOOL", [1]),
    ]
    refused = {**tensor, "datatype": "FP32"}
    answer = server.post(f"{path}/infer", json.dumps({"inputs": [refused]}))
    assert (answer.status, "takes photos" in answer.error) == (400, True)


def test_health_and_metadata(server: Running) -> None:
    assert server.get("/v2/health/live").status == server.get("/v2/health/ready").status == 200
    assert server.get("/v2").json["extensions"] == ["binary_tensor_data", "classification"]
    for path in ("/v2/models/net", "/v2/models/net/versions/1"):
        assert server.get(path).json["inputs"][0]["datatype"] == "FP32"
        assert server.get(f"{path}/ready").status == 200
    assert server.get("/v2/models/nothing").status == 404


# --- What describes it -----------------------------------------------------------------------


def test_the_description_has_every_route(school: Running, server: Running) -> None:
    described = school.get("/openapi.json").json
    assert described["info"]["version"] == sqznet.__version__
    page = {"/", "/page.js", "/page.css"}
    for path, methods in described["paths"].items():
        (method,) = methods
        here = path.replace("{model}", "net").replace("{version}", "1")
        answer = school.send(method.upper(), here, b"" if method == "post" else None, {})
        assert answer.status not in (404, 405, 500), path
    routes = set(described["paths"]) | page
    assert "/teach" in routes
    assert "/teach" not in server.get("/openapi.json").json["paths"]


def test_the_page_needs_nothing_from_elsewhere(server: Running) -> None:
    page = server.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in ("/", "/page.js", "/page.css"):
        text = server.get(path).body.decode()
        assert "http://" not in text
        assert "https://" not in text


def test_two_models_of_one_name_are_refused(network: sqznet.Model) -> None:
    with pytest.raises(sqznet.SqznetError, match="two models named 'net'"):
        Models([Served("net", network, 1), Served("net", network, 1)])


def test_an_address_that_is_taken_is_said(server: Running, network: sqznet.Model) -> None:
    from sqznet.serving.server import Server

    port = int(server.url.rpartition(":")[2])
    with pytest.raises(sqznet.SqznetError, match="another program listens there"):
        Server([Served("net", network, 1)], Sought(BUNDLED(), 1), Settings(port=port))


def test_a_failure_is_told_without_its_traceback(
    network: sqznet.Model, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Served):
        def classify(self, questions: Any, others: bool) -> Any:
            raise RuntimeError("a secret of the server")

    with running([Broken("net", network, PIXELS)], Settings(limits=LIMITS)) as server:
        answer = server.post(CLASSIFY, PHOTO)
        assert (answer.status, answer.error) == (500, "the server failed; its log says where")
    assert "a secret of the server" in caplog.text
