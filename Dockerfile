# Builds and runs with the same version of Node. The final image has only what the service needs to run.
# For a reproducible image, give the digest: --build-arg NODE_IMAGE=node:24-trixie-slim@sha256:...
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Install scripts are off: all native packages have prebuilt binaries.
RUN npm ci --ignore-scripts
COPY tsconfig.json esbuild.config.mjs ./
COPY src src/
COPY plugins plugins/
COPY routes routes/
COPY drizzle drizzle/
RUN npm run build
RUN npm prune --omit=dev --ignore-scripts
# Removes tests, source maps, types and sources of packages, native code for other platforms, and static files that the
# build has copied. They are half of the size.
RUN find node_modules -type d \( -name test -o -name tests -o -name __tests__ \) -prune -exec rm -rf {} + \
  && find node_modules -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \) -delete \
  && rm -rf node_modules/better-sqlite3/deps node_modules/better-sqlite3/src node_modules/.package-lock.json \
  && rm -rf node_modules/node-addon-api node_modules/@fastify/swagger-ui/static \
  && find node_modules/better-sqlite3/prebuilds -type f ! -name "linux-$(node -p process.arch).node" -delete

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Latchkey" \
  org.opencontainers.image.description="A login microservice" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}"
WORKDIR /app
COPY package.json LICENSE ./
COPY drizzle/sqlite drizzle/sqlite/
COPY drizzle/pg drizzle/pg/
COPY --from=build /build/node_modules node_modules/
COPY --from=build /build/dist dist/
# The image needs no package manager. Loading the native packages here makes the build fail if one of them does not
# load.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
    /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn* \
  && chmod 755 dist/src/cli.js \
  && ln -s /app/dist/src/cli.js /usr/local/bin/latchkey \
  && install -d -m 0770 -o 10001 -g 0 /data \
  && node -e "new (require('better-sqlite3'))(':memory:').close(); require('@node-rs/bcrypt').hashSync('', 4); require('@node-rs/argon2')" \
  && latchkey --version
# DRAIN_DELAY: load balancers need a few seconds to see that a replica is about to stop.
# SQLITE_TMPDIR: a place for SQLite's temporary files if the root file system is read-only and /tmp is not mounted.
ENV NODE_ENV=production \
  SQLITE_TMPDIR=/data \
  HOST=0.0.0.0 \
  PORT=3000 \
  DRAIN_DELAY=5s
# The default of DATABASE_URL, ./data/latchkey.db, is in the volume. DATABASE_URL itself is not set here: a container
# that gets DATABASE_URL_FILE would then have both.
WORKDIR /
# Numeric, so that Kubernetes can verify that the user is not root.
USER 10001:10001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["latchkey", "healthcheck"]
ENTRYPOINT ["latchkey"]
CMD ["serve"]
