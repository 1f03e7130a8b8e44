# The environment of requirements.lock; the checkout is mounted (docs/containers.md). The two commands are the README's:
#   docker build --build-arg TORCH=cpu --tag rescore .        TORCH=cuda (default) brings PyTorch's own CUDA: the host needs a driver only
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/checkout" rescore make reproduce
FROM python:3.11-slim-bookworm

ARG TORCH=cuda
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# Versions of Debian's git and make decide no result, and pinned ones vanish from its mirrors.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/rescore
COPY Makefile pyproject.toml requirements.lock README.md LICENSE ./
COPY src/rescore/__init__.py src/rescore/
RUN make VENV=/opt/venv PYTHON=/usr/local/bin/python3.11 TORCH="${TORCH}" TORCH_INDEX="${TORCH_INDEX}" image

ENV VENV=/opt/venv \
    PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/checkout/src
WORKDIR /checkout
CMD ["make", "reproduce"]
