# syntax=docker/dockerfile:1
# scripts/try-image runs these steps where there is no Docker.
FROM swift:6.3-bookworm AS builder
RUN apt-get update -q && apt-get install -q -y --no-install-recommends \
      g++ libcurl4-openssl-dev libpq-dev libsimdjson-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The dependencies first: they change less often than our sources.
COPY Package.* ./
RUN swift package resolve
COPY openapi.yaml ./
COPY scripts scripts
COPY Sources Sources
COPY Tests Tests
# Swift's own libraries are inside: the image below needs no Swift.
RUN scripts/build-release \
    && install -s .build/release/transom /usr/local/bin/transom

FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -q -y --no-install-recommends \
      ca-certificates libcurl4 libpq5 libsimdjson14 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin transom
COPY --from=builder /usr/local/bin/transom /usr/local/bin/transom
# Read by the service and by its health check. The database comes in by DATABASE_URL, or by a configuration file that
# TRANSOM_CONFIG names, and so do the keys, without which the service does not listen on an address that others can reach.
# This variable comes before "listen" of the file.
ENV TRANSOM_LISTEN=0.0.0.0:8080
# Numbers, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=10s --start-period=10s CMD ["transom", "healthcheck"]
ENTRYPOINT ["transom"]
CMD ["serve"]
