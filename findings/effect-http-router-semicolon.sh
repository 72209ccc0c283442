#!/usr/bin/env bash
# effect 4.1.0, effect/http HttpRouter: a semicolon ends the path of a request, as a question mark does.
#
# In a URL a semicolon is a character of the path like others (RFC 3986 has it among the sub-delims), and `new URL` keeps it
# there. One would guess that a route with a parameter gets it. The router takes what stands before it, and the rest for the query:
# its tree of routes has an option for that (find-my-way's useSemicolonDelimiter), which is on and which HttpRouter does not name.
# Written as %3B it is a part of the parameter. encodeURIComponent writes it so; encodeURI, and a path typed by hand, do not.
#
# Seen on 2026-11-29 with effect 4.1.0 and @effect/platform-node 4.1.0:
#   /things/a;b: a
#   /things/a%3Bb: a;b
#
# What it does to users: a name with a semicolon is another, shorter name.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm pkg set type=module
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/platform-node@4.1.0 node@24.21.0 > /dev/null
export PATH="$PWD/node_modules/.bin:$PATH"

cat > things.mjs <<'JS'
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"

const route = HttpRouter.add(
  "GET",
  "/things/:id",
  Effect.map(HttpRouter.params, ({ id }) => HttpServerResponse.text(id))
)
const served = HttpRouter.serve(route, { disableListenLog: true, disableLogger: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)
const program = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  for (const path of ["/things/a;b", "/things/a%3Bb"]) {
    const answer = yield* Effect.promise(() => fetch(`http://127.0.0.1:${address.port}${path}`).then((a) => a.text()))
    console.log(`${path}: ${answer}`)
  }
})
await Effect.runPromise(Effect.provide(program, served))
process.exit()
JS
node things.mjs | tee seen

diff seen - <<'EXPECTED'
/things/a;b: a
/things/a%3Bb: a;b
EXPECTED
echo "as on 2026-11-29"
