# syntax=docker/dockerfile:1
# Rollcall in a container, for `rollcall serve` and the commands. docs/containers.md describes its use.
#
# Not verified: no image has been built where this file was written (no registry could be reached). The installation
# of the second RUN was carried out outside a container, with the same uv and lock.
FROM python:3.12-slim-bookworm AS build

WORKDIR /opt/rollcall
COPY requirements.txt pyproject.toml README.md ./
# the locked uv, then what Rollcall needs to run: at the versions and hashes of the lock, without the tools of `dev`
RUN python -m venv /opt/uv \
    && awk '/^uv==/ { found = 1 } found && /^ *#/ { exit } found' requirements.txt > /tmp/uv.txt \
    && /opt/uv/bin/pip install --no-cache-dir --require-hashes --no-deps --requirement /tmp/uv.txt
RUN /opt/uv/bin/uv venv /opt/venv \
    && /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python --compile-bytecode --require-hashes \
        --constraint requirements.txt --requirement pyproject.toml
COPY . .
RUN /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python --compile-bytecode --no-deps .


FROM python:3.12-slim-bookworm

# a fixed number, so that the owner of a mounted volume can be set beforehand
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/rollcall rollcall
COPY --from=build /opt/venv /opt/venv

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ROLLCALL_STATE_DIR=/var/lib/rollcall/state
USER 10001
WORKDIR /var/lib/rollcall
VOLUME /var/lib/rollcall
CMD ["rollcall", "--help"]
