"""The server asked by Triton's client, and by schemathesis with whatever its description allows."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sqznet

from ..support.places import CHELSEA
from ..support.serving import Running, running

served = pytest.importorskip("sqznet.serving.served", reason="the libraries of the server")

from sqznet.serving.settings import Settings  # noqa: E402


@pytest.fixture(scope="module")
def network(coarse: Path) -> sqznet.Model:
    return sqznet.load(coarse)


@pytest.fixture(scope="module")
def server(network: sqznet.Model) -> Iterator[Running]:
    with running([served.Served("net", network, 10**7)], Settings()) as found:
        yield found


@pytest.fixture
def triton() -> Any:
    return pytest.importorskip("tritonclient.http", reason="Triton's client")


@pytest.fixture
def client(triton: Any, server: Running) -> Iterator[Any]:
    with triton.InferenceServerClient(server.url.removeprefix("http://")) as found:
        yield found


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("kind", ["FP32", "UINT8", "BYTES"])
def test_tritons_client_gets_the_models_scores(
    triton: Any, client: Any, network: sqznet.Model, kind: str, binary: bool
) -> None:
    if (kind, binary) == ("BYTES", False):
        pytest.skip("its JSON holds text alone")
    with Image.open(CHELSEA) as photo:
        pixels = np.asarray(photo.convert("RGB").resize((160, 140)))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    image = {
        "FP32": network.preprocess(pixels),
        "UINT8": pixels[None],
        "BYTES": np.array([file.getvalue()], np.object_),
    }[kind]
    given = triton.InferInput("image", image.shape, kind)
    given.set_data_from_numpy(image, binary_data=binary)
    wanted = triton.InferRequestedOutput("scores", binary_data=binary)
    found = client.infer("net", [given], outputs=[wanted], request_id="7")
    scores = found.as_numpy("scores")
    for prediction in network.classify(pixels, top=network.num_classes):
        assert scores[0, prediction.index] == pytest.approx(prediction.score, rel=1e-4, abs=1e-7)
    assert found.get_response()["id"] == "7"


def test_tritons_client_gets_the_best_classes(
    triton: Any, client: Any, network: sqznet.Model
) -> None:
    given = triton.InferInput("image", [1], "BYTES")
    given.set_data_from_numpy(np.array([CHELSEA.read_bytes()], np.object_))
    wanted = triton.InferRequestedOutput("scores", class_count=2)
    found = client.infer("net", [given], outputs=[wanted]).as_numpy("scores")
    expected = network.classify(CHELSEA, top=2)
    texts = [text.decode().split(":") for text in found[0]]
    assert [(int(index), label) for _, index, label in texts] == [
        (p.index, p.label) for p in expected
    ]
    assert [float(score) for score, _, _ in texts] == pytest.approx(
        [p.score for p in expected], abs=1e-6
    )


def test_tritons_client_reads_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("net")
    assert client.is_model_ready("net", "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "sqznet"
    metadata = client.get_model_metadata("net")
    assert metadata["inputs"] == [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 128, 128]}]


def test_tritons_client_gets_our_errors(triton: Any, client: Any) -> None:
    given = triton.InferInput("image", [1], "BYTES")
    given.set_data_from_numpy(np.array([b"no photo"], np.object_))
    with pytest.raises(triton.InferenceServerException, match="no image format that Pillow reads"):
        client.infer("net", [given])
    with pytest.raises(triton.InferenceServerException, match="no model 'other'"):
        client.infer("other", [given])


@pytest.mark.slow
def test_schemathesis_finds_nothing(server: Running, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="schemathesis asks the server")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
        # A body that the description allows, random bytes, is no photo yet.
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
        *("--max-examples", "10", "--seed", "1", "--no-color"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
