#!/usr/bin/env bash
# effect 4.1.0, effect/http-api: an empty success that stands before another one in the list answers for every value.
#
# An endpoint may have several successes, and the handler gives a value of one of them. One would guess that the value decides which
# schema encodes it: `Empty(200)` is for a handler that gives nothing, and a literal with a status of its own for its literal. The
# answer is that of the first schema in the list which encodes the value, and an empty one encodes any. So `false` becomes 200
# without a body. With the empty one last, the same handlers answer as they should.
#
# Seen on 2026-11-29 with effect 4.1.0 and @effect/platform-node 4.1.0:
#   empty first: done 200 "", missing 200 ""
#   empty last: done 200 "", missing 404 "false"
#
# What it does to users: a route says that all is well, with a status that its author has written for the other case, and the
# compiler, the document and the client know nothing of it.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm pkg set type=module
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/platform-node@4.1.0 node@24.21.0 > /dev/null
export PATH="$PWD/node_modules/.bin:$PATH"

cat > answers.mjs <<'JS'
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { createServer } from "node:http"

const missing = Schema.Literal(false).pipe(HttpApiSchema.status(404))
const empty = HttpApiSchema.Empty(200)

const answersOf = (success) => {
  const group = HttpApiGroup.make("things")
    .add(HttpApiEndpoint.delete("done", "/done", { success }))
    .add(HttpApiEndpoint.delete("missing", "/missing", { success }))
  const api = HttpApi.make("api").add(group)
  const handlers = HttpApiBuilder.group(api, "things", (handlers) =>
    handlers.handle("done", () => Effect.void).handle("missing", () => Effect.succeed(false)))
  const served = HttpRouter.serve(HttpApiBuilder.layer(api).pipe(Layer.provide(handlers)), {
    disableListenLog: true,
    disableLogger: true
  }).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })))
  return Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    const ask = (path) =>
      Effect.promise(async () => {
        const answer = await fetch(`http://127.0.0.1:${address.port}/${path}`, { method: "DELETE" })
        return `${path} ${answer.status} ${JSON.stringify(await answer.text())}`
      })
    return `${yield* ask("done")}, ${yield* ask("missing")}`
  }).pipe(Effect.provide(served))
}

console.log(`empty first: ${await Effect.runPromise(answersOf([empty, missing]))}`)
console.log(`empty last: ${await Effect.runPromise(answersOf([missing, empty]))}`)
process.exit()
JS
node answers.mjs | tee seen

diff seen - <<'EXPECTED'
empty first: done 200 "", missing 200 ""
empty last: done 200 "", missing 404 "false"
EXPECTED
echo "as on 2026-11-29"
