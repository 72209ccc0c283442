/**
 * How the page is served: to whom, with which headers, and how large it is.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, layer } from "@effect/vitest"
import { Authentication, Routes } from "@eventfold/http"
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { createServer, get } from "node:http"
import { brotliDecompressSync, gunzipSync } from "node:zlib"
import * as Served from "../Served.ts"

const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

const ask = (path: string, headers: Readonly<Record<string, string>> = { accept: html }) =>
  Effect.flatMap(Served.address, (address) => Effect.promise(() => fetch(`${address}${path}`, { headers })))

const textOf = (answer: Response) => Effect.promise(() => answer.text())

/** The addresses that a document names, against its base. */
const named = (text: string, url: string): ReadonlyArray<string> => {
  const base = new URL(/<base href="([^"]+)"/.exec(text)?.[1] ?? "", url)
  return [...text.matchAll(/(?:href|src)="(page\/[^"]+)"/g)].map(([, to = ""]) => new URL(to, base).pathname)
}

/** The bytes of a file as they come, in an encoding. */
const bytesOf = (path: string, encoding: string) =>
  Effect.flatMap(Served.address, (address) =>
    Effect.callback<Buffer>((resume) => {
      get(`${address}${path}`, { headers: { "accept-encoding": encoding } }, (answer) => {
        const chunks: Array<Buffer> = []
        answer.on("data", (chunk: Buffer) => chunks.push(chunk))
        answer.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
      })
    }))

/** The files that the document names. */
const files = Effect.gen(function*() {
  const page = yield* ask("/")
  const all = named(yield* textOf(page), page.url)
  return { all, script: all.find((path) => path.endsWith(".js")) ?? "" }
})

const mounted = HttpRouter.serve(
  Layer.mergeAll(
    Routes.layer({ prefix: "/events" }),
    HttpRouter.add("GET", "/", HttpServerResponse.text("the program's own"))
  ),
  { disableListenLog: true, disableLogger: true }
).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provide([Authentication.layerOpen, Served.inMemory]),
  Layer.orDie
)

const open = Served.serveOpen().pipe(Layer.provide(Served.inMemory), Layer.orDie)

describe("the page", () => {
  layer(open, { excludeTestServices: true })((it) => {
    it.effect("is for whoever asks for HTML, at the addresses of the API", () =>
      Effect.gen(function*() {
        for (const path of ["/", "/streams/account-2.5", "/messages/1?data=raw", "/consumers/a%2Fb", "/entities/x/y"]) {
          const page = yield* ask(path)
          assert.strictEqual(page.status, 200, path)
          assert.strictEqual(page.headers.get("content-type"), "text/html; charset=utf-8")
          assert.strictEqual(page.headers.get("vary"), "accept")
        }
        for (const accept of ["application/json", "*/*", "text/event-stream", "text/html;q=0", "text/html; q=0.0"]) {
          const answer = yield* ask("/consumers", { accept })
          assert.strictEqual(answer.headers.get("content-type"), "application/json", accept)
        }
      }))

    it.effect("leaves to the API what it alone has, and shows that there is nothing elsewhere", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* ask("/categories")).headers.get("content-type"), "application/json")
        assert.match((yield* textOf(yield* ask("/docs"))).toLowerCase(), /scalar/)
        assert.strictEqual((yield* ask("/openapi.json")).headers.get("content-type"), "application/json")
        const nowhere = yield* ask("/nowhere/at/all")
        assert.strictEqual(nowhere.status, 404)
        assert.match(yield* textOf(nowhere), /<div id="app">/)
        assert.strictEqual(
          (yield* ask("/nowhere", { accept: "*/*" })).headers.get("content-type"),
          "application/problem+json"
        )
      }))

    it.effect("has a policy that allows its own files alone, on every answer", () =>
      Effect.gen(function*() {
        const { script } = yield* files
        for (const path of ["/", "/streams/a-1", "/nowhere", "/page/none.js", script]) {
          const { headers } = yield* ask(path)
          const policy = headers.get("content-security-policy") ?? ""
          assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'/, path)
          assert.match(policy, /require-trusted-types-for 'script'; trusted-types 'none'$/, path)
          assert.notMatch(policy, /unsafe|\*|https?:/, path)
          assert.strictEqual(headers.get("x-content-type-options"), "nosniff", path)
          assert.strictEqual(headers.get("x-frame-options"), "DENY", path)
        }
      }))

    it.effect("has files that are compressed, and kept by browsers, under names that change with them", () =>
      Effect.gen(function*() {
        const { all, script } = yield* files
        assert.lengthOf(all, 3)
        for (const path of all) {
          assert.match(path, /-[\w-]{8}\.(?:js|css|svg)$/)
          assert.strictEqual((yield* ask(path)).headers.get("cache-control"), "public, max-age=31536000, immutable")
        }
        const [plain, gzip, brotli] = yield* Effect.all([
          bytesOf(script, ""),
          bytesOf(script, "gzip"),
          bytesOf(script, "gzip, br")
        ])
        assert.strictEqual(gunzipSync(gzip).toString(), plain.toString())
        assert.strictEqual(brotliDecompressSync(brotli).toString(), plain.toString())
        assert.isBelow(gzip.length, 120 * 1_024)
        assert.strictEqual((yield* ask("/page/none.js")).status, 404)
        assert.strictEqual((yield* ask("/page/__proto__")).status, 404)
        assert.strictEqual((yield* ask("/page/../package.json")).status, 404)
      }))

    it.effect("says whether it may write", () =>
      Effect.map(Effect.flatMap(ask("/"), textOf), (text) => assert.match(text, /<html lang="en" data-write="false">/)))
  })

  layer(Served.serveOpen({ page: { write: true } }).pipe(Layer.provide(Served.inMemory), Layer.orDie), {
    excludeTestServices: true
  })((it) => {
    it.effect("that may write says so", () =>
      Effect.map(Effect.flatMap(ask("/"), textOf), (text) => assert.match(text, /data-write="true"/)))
  })

  layer(Served.serveOpen({ page: false }).pipe(Layer.provide(Served.inMemory), Layer.orDie), {
    excludeTestServices: true
  })((it) => {
    it.effect("can be left out", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* ask("/")).headers.get("content-type"), "application/problem+json")
        assert.strictEqual((yield* ask("/streams/a-1/messages")).headers.get("content-type"), "application/json")
      }))
  })

  layer(mounted, { excludeTestServices: true })((it) => {
    it.effect("below a prefix has everything below the prefix, and leaves the rest to the program", () =>
      Effect.gen(function*() {
        for (const path of ["/events/", "/events/streams/a-1", "/events/entities/x/y?at=3"]) {
          const page = yield* ask(path)
          assert.strictEqual(page.status, 200, path)
          for (const file of named(yield* textOf(page), page.url)) {
            assert.match(file, /^\/events\/page\//)
            assert.strictEqual((yield* ask(file)).status, 200, file)
          }
        }
        assert.strictEqual(yield* Effect.flatMap(ask("/"), textOf), "the program's own")
      }))
  })
})
