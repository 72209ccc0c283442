/**
 * Consumers of everything, while several sessions write and one of them takes its time.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as Consumer from "eventfold/Consumer"
import { MessageStore } from "eventfold/MessageStore"
import { inject } from "vitest"
import * as Database from "../support/Database.ts"
import * as MessageDb from "../support/MessageDb.ts"
import * as Store from "../support/Store.ts"
import { until } from "../support/Until.ts"

const together = { concurrency: "unbounded" } as const

for (const server of inject("postgres")) {
  for (const kind of ["our", "a stock"] as const) {
    const database = kind === "our" ? Database.make({ server }) : MessageDb.makeDatabase({ server })

    layer(Layer.effect(Database.Database, database), { excludeTestServices: true })(
      `consumers of all on ${kind} schema of ${server.name}`,
      (it) => {
        it.effect("handle each message once and in order, beside a transaction that they wait for and can name", () =>
          Effect.gen(function*() {
            const { url } = yield* Database.Database
            const store = yield* Store.open(url)
            const writers = yield* Effect.forEach(Store.upTo(3), () => Store.open(url))
            const slow = yield* Database.session(url)
            yield* slow`SET search_path = message_store, public`
            yield* slow`SET application_name = 'slow writer'`

            const seen: Array<number> = []
            const running = yield* Consumer.start(
              Consumer.make("audit").on(
                Consumer.all,
                ({ globalPosition }) => Effect.sync(() => seen.push(globalPosition))
              )
            ).pipe(Effect.provideService(MessageStore, store))
            const both = Consumer.make("both", { checkpoint: { every: 10 } })
              .on("account", () => Effect.void)
              .on("transfer", () => Effect.void)
            yield* Consumer.start(both).pipe(Effect.provideService(MessageStore, store))

            const write = (count: number) =>
              Effect.forEach(
                writers,
                (writer, w) =>
                  Effect.forEach(
                    Store.upTo(count),
                    (i) =>
                      writer.append(`${(i + w) % 2 === 0 ? "account" : "transfer"}-${w}`, Store.numbered(1 + i % 3))
                  ),
                together
              )
            yield* write(20)
            yield* slow`BEGIN`
            const [held] = yield* slow<{ readonly pid: number }>`SELECT pg_backend_pid() AS pid,
            message_store.write_message(gen_random_uuid()::text, 'slow-1', 'T', '0')`
            const writing = yield* Effect.forkChild(write(20))
            yield* until(
              "it is held back",
              Effect.map(running.status, ({ heldBack }) => Option.isSome(heldBack))
            )
            yield* Fiber.join(writing)
            const before = seen.at(-1) ?? 0
            const end = yield* store.lastPosition
            const waiting = yield* Effect.forkChild(running.waitFor(end))
            const other = Consumer.make("other", { start: { position: before } }).on(Consumer.all, () => Effect.void)
            const status = yield* Effect.provideService(Consumer.status(other), MessageStore, store)
            const [writer] = Option.getOrThrow(status.heldBack).writers
            assert.deepStrictEqual([writer?.pid, writer?.applicationName, writer?.state], [
              held?.pid,
              "slow writer",
              "idle in transaction"
            ])
            assert.isUndefined(waiting.pollUnsafe())
            yield* slow`COMMIT`
            yield* Fiber.join(waiting)
            const all = yield* Stream.runCollect(store.readAll())
            const wanted = all.filter(({ streamName }) => !streamName.includes(":position")).map(({ globalPosition }) =>
              globalPosition
            )
            yield* until("all is handled", Effect.sync(() => seen.length >= wanted.length))
            assert.deepStrictEqual(seen, wanted)
            assert.isBelow(before, end)
          }).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None")))
      }
    )
  }
}
