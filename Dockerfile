# One image for every process; docker-compose.yml says which command runs.
FROM python:3.11-slim-bookworm AS build
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /src
COPY requirements.lock ./
# Every distribution is checked against the hashes of the lock, uv itself included.
RUN awk '/^[a-z]/ {keep = /^uv==/} keep' requirements.lock > uv.lock \
    && python -m pip install --no-cache-dir --no-deps --require-hashes -r uv.lock \
    && uv venv /opt/portaria
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY workers workers
RUN uv pip install --no-cache --python /opt/portaria/bin/python \
    --constraint requirements.lock --build-constraint requirements.lock ".[all]"

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home portaria \
    && install -d -o portaria -g portaria -m 0700 /data /keys /documents
COPY --from=build /opt/portaria /opt/portaria
ENV PATH=/opt/portaria/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORTARIA_DATA_DIR=/data \
    PORTARIA_SIGNING_KEY_FILE=/keys/signing.key
USER portaria
WORKDIR /data
VOLUME ["/data", "/keys", "/documents"]
CMD ["portaria", "--help"]
