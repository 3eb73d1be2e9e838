# The service as JavaScript with its production dependencies; compose.yaml shows what it needs to run.
FROM node:24.22.1-slim AS build
WORKDIR /task-service
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts
COPY . ./
RUN npm run build

FROM node:24.22.1-slim
WORKDIR /task-service
COPY --from=build /task-service/node_modules node_modules
COPY --from=build /task-service/scripts/require-node.mjs scripts/
COPY --from=build /task-service/bin bin
COPY --from=build /task-service/dist dist
COPY package.json ./
ENV NODE_ENV=production HOST=0.0.0.0
USER node
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:' + (process.env.PORT || 3000) + '/health/live').then(({ ok }) => process.exit(ok ? 0 : 1))"]
ENTRYPOINT ["node", "--max-semi-space-size=16", "bin/task-service.mjs"]
