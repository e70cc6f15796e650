# Built and run by the same Node, with nothing in it that the service does not need to run.
# For an image that is the same tomorrow, give the digest: --build-arg NODE_IMAGE=node:24-trixie-slim@sha256:...
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package runs a script of its own: what is native here comes ready built.
RUN npm ci --ignore-scripts
COPY tsconfig.json esbuild.config.mjs ./
COPY src src/
COPY plugins plugins/
COPY routes routes/
COPY drizzle drizzle/
RUN npm run build
RUN npm prune --omit=dev --ignore-scripts
# Tests, maps, types and sources of packages, native code for other machines, and pages that the build has copied: half of
# the size.
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
# No package manager where nothing is to be installed; and whether the native parts load is known now, not at the start.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack \
    /usr/local/bin/yarn /usr/local/bin/yarnpkg /opt/yarn* \
  && chmod 755 dist/src/cli.js \
  && ln -s /app/dist/src/cli.js /usr/local/bin/latchkey \
  && install -d -m 0770 -o 10001 -g 0 /data \
  && node -e "new (require('better-sqlite3'))(':memory:').close(); require('@node-rs/bcrypt').hashSync('', 4); require('@node-rs/argon2')" \
  && latchkey --version
# DRAIN_DELAY: load balancers need a few seconds to see that a replica is about to stop.
# SQLITE_TMPDIR: its temporary files, where the root is read-only and nobody has mounted /tmp.
ENV NODE_ENV=production \
  SQLITE_TMPDIR=/data \
  HOST=0.0.0.0 \
  PORT=3000 \
  DRAIN_DELAY=5s
# The default of DATABASE_URL, ./data/latchkey.db, is in the volume. DATABASE_URL itself is not set here: a container that
# gets DATABASE_URL_FILE would have it twice.
WORKDIR /
# Numeric, so that Kubernetes can see that it is not root.
USER 10001:10001
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["latchkey", "healthcheck"]
ENTRYPOINT ["latchkey"]
CMD ["serve"]
