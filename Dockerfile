# The steps are the same as in docs/deploy.md, "Install it"; tests/integration/test_dockerfile.py runs them.
ARG PYTHON_VERSION=3.13.12

FROM python:${PYTHON_VERSION}-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY server server
RUN python3 -m venv --without-pip /opt/venv
# The pip that builds and installs is pinned too; older ones have no --build-constraint, which pins the build backend.
RUN python3 -m venv /opt/build
RUN /opt/build/bin/python -m pip install --no-cache-dir --constraint constraints.txt pip
RUN /opt/build/bin/python -m pip --python /opt/venv/bin/python install --no-cache-dir --constraint constraints.txt --build-constraint constraints.txt ".[fast,redis,otel]"

FROM python:${PYTHON_VERSION}-slim-trixie
ARG PYTHON_VERSION
# Set by .github/workflows/release.yml; empty in an image that is not a release.
ARG REVISION=
ARG CREATED=
# The last one proves to the MCP registry that the image belongs to its entry.
LABEL org.opencontainers.image.title="customerio-track-mcp" \
    org.opencontainers.image.description="MCP server for Customer.io's Track API: customers, events and segments, without silent data loss" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="MIT AND BSD-3-Clause" \
    org.opencontainers.image.source="https://github.com/OWNER/customerio-track-mcp" \
    org.opencontainers.image.url="https://github.com/OWNER/customerio-track-mcp" \
    org.opencontainers.image.documentation="https://github.com/OWNER/customerio-track-mcp/blob/v0.1.0/docs/deploy.md" \
    org.opencontainers.image.base.name="docker.io/library/python:${PYTHON_VERSION}-slim-trixie" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    io.modelcontextprotocol.server.name="io.github.OWNER/customerio-track-mcp"
# Nothing is installed in the final image, so it needs no pip.
RUN python3 -m pip uninstall --yes pip
COPY --from=build /opt/venv /opt/venv
COPY deploy/container-health.bash /usr/local/bin/container-health.bash
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CUSTOMERIO_LOG_FORMAT=json
# Numeric, so that Kubernetes can verify runAsNonRoot. Only /tmp must be writable, and only for --workers.
USER 65532:65532
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["bash", "/usr/local/bin/container-health.bash"]
# Exec form, so that signals reach the process rather than a shell.
ENTRYPOINT ["customerio-track-mcp"]
CMD ["http", "--host", "0.0.0.0", "--port", "8000"]
