# syntax=docker/dockerfile:1
# netdusk's image: the packages of requirements/run.txt by their hashes, netdusk, a Python, and nothing else of ours.
#
# BASE is any image with Python 3.11 or newer (with venv), and CA certificates. Pin it by its digest when you build:
#   docker build --build-arg BASE=docker.io/library/python:3.12-slim-bookworm@sha256:… .
# `skopeo inspect --format '{{.Digest}}' docker://docker.io/library/python:3.12-slim-bookworm` says which digest a tag
# has today. Without a registry, `make image` builds on Debian from debootstrap (deploy/image/build.sh).
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# What compiles `streams.step.scanner` and `detectors.columns._stages` stays in this stage. Where it can't be had,
# netdusk reads results in Python and closes windows in NumPy alone.
# hadolint ignore=DL3008
RUN headers="$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" \
    && { apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
         && if [ ! -f "$headers" ]; then apt-get install --yes --no-install-recommends python3-dev; fi; } >/dev/null \
    || echo "no C compiler: this image will read results in Python, which is slower" >&2; \
    rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/netdusk
COPY requirements/run.txt requirements/run.txt
RUN /opt/netdusk/bin/python -m pip install --no-cache-dir --quiet --disable-pip-version-check \
      --require-hashes --only-binary :all: -r requirements/run.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY detectors detectors
COPY producers producers
COPY streams streams
# What built it goes again, and so do others' tests. The jars of the embedded broker come along, held to their hashes.
ENV NETDUSK_CACHE=/opt/netdusk/share
RUN /opt/netdusk/bin/python -m pip install --no-cache-dir --quiet --disable-pip-version-check --no-deps \
      --no-build-isolation . \
    && packages="$(/opt/netdusk/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && find "$packages"/numpy "$packages"/scipy "$packages"/river -type d -name tests -prune -exec rm -rf {} + \
    && /opt/netdusk/bin/python -m pip uninstall --yes --quiet cython setuptools pip 2>/dev/null \
    && if [ -d /kafka-jars ]; then lent=/kafka-jars; fi \
    && /opt/netdusk/bin/netdusk broker fetch --no-archive ${lent:+--from "$lent"} \
    && /opt/netdusk/bin/netdusk --help >/dev/null

FROM ${BASE}
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="netdusk" \
      org.opencontainers.image.description="Notices within minutes when a country, a region or a provider loses its platforms" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/netdusk /opt/netdusk
COPY LICENSE /usr/share/doc/netdusk/LICENSE
# A numeric user is what Kubernetes can check (runAsNonRoot).
# What a volume is mounted on, too: a new volume has the owner that the folder has here.
RUN install -d -o 65532 -g 65532 /var/lib/netdusk /var/lib/netdusk-archive /var/spool/netdusk
ENV PATH=/opt/netdusk/bin:$PATH \
    HOME=/var/lib/netdusk \
    NETDUSK_CACHE=/opt/netdusk/share \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/netdusk
USER 65532:65532
EXPOSE 9464
ENTRYPOINT ["netdusk"]
CMD ["--help"]
