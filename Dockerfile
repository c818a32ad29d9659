# The first stage builds with hash-pinned tools, the second writes what is in the image, the last holds what runs and
# nothing else. `make image` pins the base by its digest, in deploy/image.args.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build
RUN python -m venv /opt/telemetry && python -m venv /opt/tools
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN /opt/telemetry/bin/pip install --require-hashes --only-binary=:all: -r requirements/runtime.txt \
 && /opt/tools/bin/pip install --require-hashes --only-binary=:all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY templates templates
COPY src src
COPY clients/python clients/python
RUN /opt/tools/bin/hatchling build -t wheel
# The reporter, for the demo alone. It has no dependencies.
WORKDIR /build/clients/python
RUN /opt/tools/bin/hatchling build -t wheel -d /build/dist
WORKDIR /build
RUN /opt/telemetry/bin/pip install --no-deps dist/*.whl \
 && /opt/telemetry/bin/pip uninstall --yes pip

FROM build AS inventory
COPY requirements/sbom.txt requirements/
RUN python -m venv /opt/sbom \
 && /opt/sbom/bin/pip install --require-hashes --only-binary=:all: -r requirements/sbom.txt
COPY .ci/sbom.py ./
RUN /opt/sbom/bin/python sbom.py /opt/telemetry > /build/sbom.cdx.json

# What `make image` takes out: --target sbom --output type=local,dest=...
FROM scratch AS sbom
COPY --from=inventory /build/sbom.cdx.json /

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="control-core-telemetry" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 telemetry \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/telemetry --shell /usr/sbin/nologin telemetry \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/telemetry /var/lib/telemetry/data
COPY --from=build /opt/telemetry /opt/telemetry
COPY --from=inventory /build/sbom.cdx.json /opt/telemetry/share/sbom.cdx.json
# The root file system may be read-only: the service writes to ./data alone (and to nothing with PostgreSQL).
ENV PATH=/opt/telemetry/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/telemetry
VOLUME /var/lib/telemetry/data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["telemetry-service", "doctor", "--liveness"]
ENTRYPOINT ["telemetry-service"]
# IPv4 and IPv6; IPv4 alone where the host has no IPv6.
CMD ["serve", "--host", "::", "--port", "8080"]
