# Berth's image for those who build with Docker, Podman or BuildKit. `make image` builds the same programs without an engine,
# always to the same digest: see docs/image.md.
ARG NODE=24.21.0

FROM node:${NODE}-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN node image/stage.ts /stage

FROM node:${NODE}-bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates tzdata \
 && rm -rf /var/lib/apt/lists/* /usr/local/lib/node_modules /usr/local/bin/np? /usr/local/bin/corepack /opt/yarn* /usr/local/bin/yarn* \
 && ln -s certs/ca-certificates.crt /etc/ssl/cert.pem \
 && groupadd --gid 65532 berth \
 && useradd --uid 65532 --gid 65532 --home-dir /var/lib/registry --no-create-home --shell /usr/sbin/nologin berth \
 && install --directory --owner 65532 --group 65532 /var/lib/registry
COPY --from=build /stage/etc/ /etc/
COPY --from=build /stage/usr/ /usr/
COPY --from=build /stage/entrypoint.sh /entrypoint.sh
ENV NODE_ENV=production OTEL_TRACES_EXPORTER=none NODE_OPTIONS=--max-semi-space-size=8
USER 65532:65532
WORKDIR /
VOLUME /var/lib/registry
EXPOSE 5000
STOPSIGNAL SIGTERM
ENTRYPOINT ["registry"]
CMD ["serve", "/etc/distribution/config.yml"]
