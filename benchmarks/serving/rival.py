"""python -m benchmarks.serving.rival ENGINE THREADS PORT FOLDER: another engine behind FastAPI.

It is what people write, at its best: bodies without forms, one session a thread with one thread
each, and no more threads than cores. `POST /classify` takes a JPEG file, `POST /tensor` pixels.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

from benchmarks.engines import get
from benchmarks.engines.base import SIZE, prepared, rank
from benchmarks.material import load_weights
from benchmarks.network import Array, layers

_SHAPE = (1, SIZE, SIZE)


def application(engine: str, threads: int, folder: Path) -> FastAPI:
    adapter = get(engine)
    model = adapter.write(layers("1.1"), load_weights("1.1"), _SHAPE, folder)
    own = threading.local()
    app = FastAPI()
    pool = ThreadPoolExecutor(threads)

    def answer(photo: Image.Image) -> dict[str, Any]:
        if not hasattr(own, "engine"):
            own.engine = adapter(model, 1, _SHAPE)
        x: Array = prepared(photo)
        return {"predictions": rank(own.engine.infer(own.engine.feed(x)))}

    def of_file(body: bytes) -> dict[str, Any]:
        with Image.open(io.BytesIO(body)) as photo:
            return answer(photo)

    def of_pixels(body: bytes, height: int, width: int) -> dict[str, Any]:
        return answer(Image.fromarray(np.frombuffer(body, np.uint8).reshape(height, width, 3)))

    async def classify(request: Request) -> dict[str, Any]:
        body = await request.body()
        return await asyncio.get_running_loop().run_in_executor(pool, of_file, body)

    async def tensor(request: Request, height: int, width: int) -> dict[str, Any]:
        body = await request.body()
        work = partial(of_pixels, body, height, width)
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    app.add_api_route("/classify", classify, methods=["POST"])
    app.add_api_route("/tensor", tensor, methods=["POST"])
    return app


if __name__ == "__main__":
    name, threads, port, folder = sys.argv[1:]
    uvicorn.run(
        application(name, int(threads), Path(folder)),
        port=int(port),
        log_level="error",
        access_log=False,
    )
