# One image for every process of Foldline: api, consumer, sidecar, central. The servers are other containers.

FROM python:3.11-slim AS build
RUN python3 -m venv /usr/local/foldline
WORKDIR /src
# Dependencies first: they change less often than the code, and are then taken from the build cache.
COPY pyproject.toml constraints.txt ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
      > requirements.txt \
 && /usr/local/foldline/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt -r requirements.txt
COPY . .
RUN /usr/local/foldline/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
 && /usr/local/foldline/bin/pip check

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /srv/foldline --no-create-home --shell /usr/sbin/nologin foldline \
# A volume that is new takes its owner from here.
 && install --directory --owner foldline --group foldline --mode 0700 /spool
COPY --from=build /usr/local/foldline /usr/local/foldline
COPY deploy/healthcheck /usr/local/bin/healthcheck
ENV PATH=/usr/local/foldline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FOLDLINE_HOST=0.0.0.0
USER foldline
WORKDIR /srv/foldline
EXPOSE 9090 18000 8000 8079 19000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["foldline"]
CMD ["--help"]
