#!/usr/bin/env bash
# effect 4.1.0: ten fibers that write to one NodeSocket while its peer is slow make Node warn of a memory leak, which there is not.
#
# One would guess that writers of one socket wait for it in a queue of Effect's, or that each of them adds nothing to the socket: RPC
# clients, cluster runners and web socket servers have as many writers as requests. But a writer that meets a full buffer adds
# listeners of its own for "drain", "error" and "close" to Node's socket. Node warns when there are eleven for one event, of which the
# reader has one. All are taken off once the peer reads, and all that was written arrives.
#
# Seen on 2026-11-30 with effect 4.1.0 and @effect/platform-node 4.1.0:
#   9 writers wait: no warning; all has arrived, 0 listeners left
#   10 writers wait: MaxListenersExceededWarning; all has arrived, 0 listeners left
#
# What it does to users: a program whose cluster or RPC is busy logs "Possible EventEmitter memory leak detected" once, and whoever is
# on duty looks for a leak.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

npm init --yes > /dev/null
npm install --silent --no-audit --no-fund effect@4.1.0 @effect/platform-node@4.1.0 > /dev/null

cat > writers.mjs <<'JS'
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import { Effect } from "effect"
import { once } from "node:events"
import { createConnection, createServer } from "node:net"

const size = 4_000_000
const count = Number(process.argv[2])
const warnings = []
process.on("warning", ({ name }) => warnings.push(name))

// The peer reads nothing until all writers wait.
const server = createServer({ pauseOnConnect: true })
let arrived = 0
server.listen(0, "127.0.0.1")
await once(server, "listening")

const connected = once(server, "connection")
const connection = createConnection({ port: server.address().port, host: "127.0.0.1" })
await once(connection, "connect")
const [peer] = await connected
peer.on("data", (chunk) => arrived += chunk.length)
peer.pause()

const program = Effect.gen(function*() {
  const socket = yield* NodeSocket.fromDuplex(Effect.succeed(connection))
  const { write } = yield* socket.writer
  yield* socket.reader
  // The first pieces fit into the buffers of the system.
  let written = 0
  while (connection.listenerCount("drain") < count) {
    written += size
    yield* Effect.forkScoped(write(new Uint8Array(size)))
    yield* Effect.sleep("50 millis")
  }
  peer.resume()
  while (arrived < written) yield* Effect.sleep("10 millis")
  while (connection.listenerCount("drain") > 0) yield* Effect.sleep("10 millis")
  console.log(
    `${count} writers wait: ${[...new Set(warnings)].join() || "no warning"}; ${
      arrived === written ? "all has" : "something has not"
    } arrived, ${connection.listenerCount("drain")} listeners left`
  )
})
await Effect.runPromise(Effect.scoped(program))
process.exit(0)
JS
(timeout 60 node writers.mjs 9; timeout 60 node writers.mjs 10) 2> /dev/null | tee seen

diff seen - <<'EXPECTED'
9 writers wait: no warning; all has arrived, 0 listeners left
10 writers wait: MaxListenersExceededWarning; all has arrived, 0 listeners left
EXPECTED
echo "as on 2026-11-30"
