# Builds an image that contains only the statically linked program, CA certificates and licences.
#
#   docker build -t user-service .
#   docker run --env-file .env -p 5000:5000 user-service

FROM rust:1.95.0-slim-bookworm AS rust
WORKDIR /src
# With an explicit --target, RUSTFLAGS apply to the program only, not to build scripts and procedural macros.
ENV RUSTFLAGS="-C target-feature=+crt-static"

# Runs again when a source changes. Its result, and so the layer below, changes only with the manifests.
FROM rust AS manifests
COPY . .
RUN scripts/copy-manifests /manifests

FROM rust AS build
COPY --from=manifests /manifests .
# The layer of the dependencies.
RUN cargo build --release --locked --package user-service --target "$(rustc --print host-tuple)"
COPY . .
# Cargo compiles files that are newer than its last result. The sources of the context can be older than the layer above.
RUN find crates migrations tests -name '*.rs' -exec touch {} + \
    && target="$(rustc --print host-tuple)" \
    && cargo build --release --locked --package user-service --target "$target" \
    && install -D -m 0755 "target/$target/release/user-service" /image/user-service \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -D -m 0644 LICENSE /image/LICENSE \
    && scripts/notice "$target" >/image/NOTICE \
    && install -d -m 0700 /owned/data

# scripts/check-deploy builds this last stage from a program that it has compiled outside the image.
FROM scratch
ARG VERSION=0.1.0
# The release workflow sets these: the repository, the commit, and the time of the build (RFC 3339).
ARG SOURCE=""
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="user-service" \
    org.opencontainers.image.description="The central user repository of a social platform" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
COPY --from=build /image/ /
# Without DATABASE_URI, the service stores a SQLite database in ./data. A new volume takes its owner from this folder.
COPY --from=build --chown=10001:10001 /owned/ /
WORKDIR /
VOLUME /data
# The root file system may be read-only, so SQLite writes its temporary files to the volume.
ENV HOST=0.0.0.0 \
    SQLITE_TMPDIR=/data \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["/user-service", "healthcheck"]
ENTRYPOINT ["/user-service"]
CMD ["serve"]
