"""Photos and results in S3, as moto serves it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sqznet import SqznetError
from sqznet.ray import Classifier
from sqznet.ray.partitions import Partitions
from sqznet.ray.storage import Folder, fetched, located, photos_in

from ..support.places import COFFEE

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
server = pytest.importorskip("moto.server", reason="moto serves S3")

pytestmark = pytest.mark.filterwarnings("default")  # those of moto and boto3


@pytest.fixture(scope="module")
def options() -> Iterator[str]:
    """What an address of the server ends with. It has the bucket pets with a few photos."""
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
        for key in (
            "in/s10.jpg",
            "in/s2.jpg",
            "in/.hidden/a.jpg",
            "in/read me.txt",
            "in/100% ?.jpg",
            "no/a.txt",
        ):
            client.put_object(Bucket="pets", Key=key, Body=COFFEE.read_bytes())
        yield f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    running.stop()


def photos(address: str) -> list[str]:
    bucket, key = located(address)
    assert bucket is not None
    found = photos_in(bucket, key)
    for photo in found:
        if photo.error is not None:
            raise photo.error
    return [photo.path for photo in found]


def test_a_folder_is_listed_and_read(options: str) -> None:
    found = photos(f"s3://pets/in?{options}")
    assert found == ["s3://pets/in/100% ?.jpg", "s3://pets/in/s2.jpg", "s3://pets/in/s10.jpg"]
    assert photos(f"s3://pets?{options}") == found
    assert photos(f"s3://pets/in/s2.jpg?{options}") == ["s3://pets/in/s2.jpg"]
    for path in found:
        assert fetched(path, {"s3://pets": f"s3://pets?{options}"}).content == COFFEE.read_bytes()
    gone = fetched("s3://pets/in/gone.jpg", {"s3://pets": f"s3://pets?{options}"})
    assert str(gone.error) == "s3://pets/in/gone.jpg: no such file"


def test_paths_of_a_batch_are_read(
    options: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = options.partition("&")[0].partition("=")[2]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    found = Classifier(small, top=1)({"path": np.array(["s3://pets/in/s2.jpg", str(COFFEE)])})
    assert found["error"].tolist() == ["", ""]
    assert found["score_1"][0] == found["score_1"][1]


def test_partitions_are_written(options: str) -> None:
    folder = Folder(f"s3://pets/out?{options}")
    assert folder.names() == set()
    folder.make()
    made = Partitions(folder, {"top": 5}, resume=False)
    made.add(["s3://pets/in/s2.jpg", "/a"], 1)
    folder.write("part-000000.parquet", b"content")
    assert folder.read("part-000000.parquet") == b"content"
    again = Partitions(folder, {"top": 5}, resume=True)
    assert list(again.left()) == [(1, ["/a"])]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3://absent/in", "there is no such bucket"),
        ("s3://absent", "there is no such bucket"),
        ("s3://pets/empty", "there is no such photo or folder"),
        ("s3://pets/no", "a folder without photos, expected files such as photo.jpg in it"),
    ],
)
def test_what_is_not_there_is_one_error(options: str, address: str, said: str) -> None:
    with pytest.raises(SqznetError, match=said):
        photos(f"{address}?{options}")


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
