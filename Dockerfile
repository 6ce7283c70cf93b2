# Parlor in a container: docs/operating/packaging.md says how to run it.

FROM rust:1-slim-trixie AS build
WORKDIR /parlor
COPY . .
RUN cargo build --release --locked && strip target/release/parlor

FROM debian:trixie-slim
# By them a webhook's endpoint is known.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin parlor \
 && install --directory --owner parlor --group parlor --mode 0700 /data
COPY --from=build /parlor/target/release/parlor /usr/local/bin/parlor
USER 10001:10001
WORKDIR /data
ENV PARLOR__SERVER__BIND=0.0.0.0:8080 \
    PARLOR__STORE__PATH=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["parlor", "healthcheck"]
ENTRYPOINT ["parlor"]
CMD ["serve"]
