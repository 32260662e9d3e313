# syntax=docker/dockerfile:1
# An image with the command: docker build -t sqznet . && docker run --rm sqznet classes cat
# docs/tutorials/docker.md shows how to use it.
FROM python:3.13-slim-bookworm AS build
# hadolint ignore=DL3008 # the compiler of this Debian, with its security fixes
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN python -m venv /opt/sqznet && /opt/sqznet/bin/pip install --no-cache-dir ".[video,terminal,serve]"

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin sqznet
COPY --from=build /opt/sqznet /opt/sqznet
ENV PATH=/opt/sqznet/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
WORKDIR /photos
# Whether this processor still classifies: a black picture, from loading to labels.
HEALTHCHECK --interval=5m --timeout=30s \
  CMD ["python", "-c", "import numpy, sqznet; sqznet.classify(numpy.zeros((224, 224, 3), 'u1'))"]
ENTRYPOINT ["sqznet"]
CMD ["--help"]
