import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { fileURLToPath } from "node:url"
import * as Child from "../support/Child.ts"
import * as Database from "../support/Database.ts"
import * as LiveClient from "../support/LiveClient.ts"
import { Mortal } from "../support/Mortal.ts"
import { until } from "../support/Until.ts"

const script = fileURLToPath(new URL("serverProcess.ts", import.meta.url))

/** Starts a server on a database, and waits until it answers. Gives its address. */
const serve = Effect.fnUntraced(function*(database: string, port = "0") {
  const child = yield* Child.start(script, [port, "postgres", database])
  yield* Child.says(child, 1)
  return { child, url: child.lines[0] ?? "" }
})

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** Sends messages until each is acknowledged, under the same ids, whatever happens to the server meanwhile. */
const write = (url: string, streams: number, count: number) =>
  Effect.forEach(
    range(0, count - 1),
    (n) =>
      Effect.promise(() =>
        fetch(`${url}/streams/account-${n % streams}/messages`, {
          method: "POST",
          headers: { "content-type": "application/json", "idempotency-key": `message ${n}` },
          body: JSON.stringify({ type: "Numbered", data: n })
        }).then((answer) => answer.arrayBuffer().then(() => answer.status === 201), () => false)
      ).pipe(
        Effect.flatMap((isWritten) =>
          isWritten ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), Effect.fail("again"))
        ),
        Effect.eventually
      ),
    { discard: true }
  )

/** Clients of everything that is written to two streams. */
const followAll = (url: string) =>
  Effect.all({
    category: LiveClient.follow(`${url}/categories/account/live`),
    everything: LiveClient.follow(`${url}/live`),
    first: LiveClient.follow(`${url}/streams/account-0/live`),
    second: LiveClient.follow(`${url}/streams/account-1/live`)
  })

const has = (client: LiveClient.LiveClient, expected: number) =>
  until(`a client has ${expected} messages`, Effect.sync(() => client.ids.length >= expected))

/** Waits until the clients have everything, then compares it with what a client has that comes now. */
const checkAll = Effect.fnUntraced(function*(
  url: string,
  { category, everything, first, second }: Effect.Success<ReturnType<typeof followAll>>,
  count: number
) {
  const fresh = yield* LiveClient.follow(`${url}/categories/account/live`)
  yield* has(fresh, count)
  yield* Effect.all([has(category, count), has(everything, count), has(first, count / 2), has(second, count / 2)])
  // What came twice would come now, or has come before.
  const beats = category.heartbeats.length
  yield* until("two more heartbeats have come", Effect.sync(() => category.heartbeats.length >= beats + 2))
  assert.lengthOf(fresh.ids, count)
  assert.deepStrictEqual([...fresh.ids].toSorted((a, b) => a - b), fresh.ids)
  assert.deepStrictEqual(category.ids, fresh.ids)
  assert.deepStrictEqual(everything.ids, fresh.ids)
  assert.deepStrictEqual(first.ids, range(0, count / 2 - 1))
  assert.deepStrictEqual(second.ids, range(0, count / 2 - 1))
})

describe("live clients of a server", () => {
  it.live("resume when its process was killed, and lose nothing and get nothing twice", () =>
    Effect.gen(function*() {
      const database = yield* Database.make()
      const { child: first, url } = yield* serve(database.url)
      let child = first
      const clients = yield* followAll(url)
      const writing = yield* Effect.forkScoped(write(url, 2, 160))
      for (const heard of [40, 100]) {
        yield* until(`a client has ${heard} messages`, Effect.sync(() => clients.category.ids.length >= heard))
        yield* child.kill
        child = (yield* serve(database.url, new URL(url).port)).child
      }
      yield* Fiber.join(writing)
      yield* checkAll(url, clients, 160)
      for (const client of Object.values(clients)) assert.isAtLeast(client.connections(), 3)
    }))

  it.live("are 200, of which half go without a word: the others get everything, and nothing stays behind", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((yield* Database.make()).url)
      const clients = yield* Effect.forEach(
        range(0, 199),
        (n) => LiveClient.follow(n % 3 === 0 ? `${url}/live` : `${url}/categories/account/live`, { resumes: false })
      )
      const writing = yield* Effect.forkScoped(write(url, 2, 40))
      yield* until("all follow", Effect.sync(() => clients.every(({ ids }) => ids.length > 0)))
      yield* Effect.forEach(clients.filter((_, n) => n % 2 === 0), ({ destroy }) => destroy)
      yield* Fiber.join(writing)
      const staying = clients.filter((_, n) => n % 2 === 1)
      yield* until("all have everything", Effect.sync(() => staying.every(({ ids }) => ids.length >= 40)))
      for (const { ids } of staying) assert.deepStrictEqual(ids, staying[0]?.ids)
      assert.deepStrictEqual(staying[0]?.ids, [...new Set(staying[0]?.ids)].toSorted((a, b) => a - b))
    }))
})

layer(Mortal.layer, { excludeTestServices: true })("a database that is killed", (it) => {
  it.effect("its live clients stay connected, and lose nothing and get nothing twice", () =>
    Effect.gen(function*() {
      const { database, kill, restart } = yield* Mortal
      const { url } = yield* serve(database)
      const clients = yield* followAll(url)
      const writing = yield* Effect.forkScoped(write(url, 2, 120))
      for (const heard of [30, 80]) {
        yield* until(`a client has ${heard} messages`, Effect.sync(() => clients.category.ids.length >= heard))
        yield* kill
        yield* restart
      }
      yield* Fiber.join(writing)
      yield* checkAll(url, clients, 120)
      for (const client of Object.values(clients)) assert.strictEqual(client.connections(), 1)
    }))
})
