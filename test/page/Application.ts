/**
 * The tests of the views of an application and of the store: what each shows, and that what an administrator does in it is done in the
 * store. They share the browser and the server of the page's other tests, and come after those, because they change what is parked.
 */
import { assert, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Page } from "playwright-core"
import * as Database from "../support/Database.ts"
import { isLong } from "../support/Form.ts"
import { until } from "../support/Until.ts"
import * as Browser from "./Browser.ts"
import * as Shop from "./Shop.ts"

type Environment = Browser.Browser | Shop.Shop

const visit = (
  path: string,
  use: (page: Page) => Promise<void>,
  options?: Parameters<Browser.Browser["Service"]["visit"]>[2]
) =>
  Effect.gen(function*() {
    const { url } = yield* Shop.Shop
    const browser = yield* Browser.Browser
    yield* browser.visit(`${url}/${path}`, use, options)
  })

/** What the API answers to a program, in the shape that a test needs. */
const ask = <A>(path: string, shape: Schema.Codec<A, unknown>) =>
  Effect.flatMap(Shop.Shop, ({ url }) =>
    Effect.promise(async () => {
      const answer = await fetch(`${url}/${path}`)
      return Schema.decodeUnknownSync(shape)(await answer.json())
    }))

const append = (stream: string, type: string, data: unknown) =>
  Effect.flatMap(Shop.Shop, ({ url }) =>
    Effect.promise(async () => {
      const answer = await fetch(`${url}/streams/${encodeURIComponent(stream)}/messages`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ type, data })
      })
      assert.strictEqual(answer.status, 201)
    }))

const ParkedPage = Schema.Struct({
  streams: Schema.Array(
    Schema.Struct({
      stream: Schema.String,
      waiting: Schema.Int,
      messages: Schema.Array(Schema.Struct({ attempts: Schema.Int }))
    })
  )
})

const misfit = "payment:command-misfit"
const broken = "payment:command-1005"

/** What waits of a stream for `payments`, and how often the oldest message was tried. */
const parked = (stream: string) =>
  Effect.map(ask("consumers/payments/parked", ParkedPage), ({ streams }) => {
    const found = streams.find((one) => one.stream === stream)
    return { waiting: found?.waiting ?? 0, attempts: found?.messages[0]?.attempts ?? 0 }
  })

const Records = Schema.Struct({
  records: Schema.Array(
    Schema.Struct({
      by: Schema.String,
      action: Schema.String,
      subject: Schema.String,
      reason: Schema.optionalKey(Schema.String)
    })
  )
})

/** The last thing that was recorded: who did what, to what, and why. */
const lastRecord = Effect.map(ask("administration?limit=1", Records), ({ records: [last] }) => [
  last?.by,
  last?.action,
  last?.subject,
  last?.reason
])

const Builds = Schema.Struct({
  stored: Schema.Array(
    Schema.Struct({
      build: Schema.Struct({
        number: Schema.Int,
        state: Schema.String,
        checkpoint: Schema.Struct({ position: Schema.Int })
      })
    })
  )
})

const builds = (name: string) =>
  Effect.map(
    ask(`read-models/${name}`, Builds),
    ({ stored }) => stored.map(({ build: { number, state } }) => `${number} ${state}`)
  )

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name }).waitFor()

/** Opens the dialog of a button, fills it in, and does it. */
const act = async (page: Page, within: ReturnType<Page["locator"]>, label: string, fields: {
  readonly reason?: string
  readonly word?: string
} = {}): Promise<void> => {
  await within.getByRole("button", { name: `${label}…`, exact: true }).click()
  const dialog = page.getByRole("dialog")
  // Enter right after opening does nothing but close it.
  assert.strictEqual(await page.evaluate(() => document.activeElement?.textContent), "Cancel")
  if (fields.reason !== undefined) await dialog.getByLabel(/^Why/).fill(fields.reason)
  const button = dialog.getByRole("button", { name: label, exact: true })
  if (fields.word !== undefined) {
    assert.isTrue(await button.isDisabled())
    await dialog.getByLabel(/^Type/).fill(fields.word)
  }
  await button.click()
}

const rowOf = (page: Page, text: string) => page.getByRole("row").filter({ hasText: text }).first()

/** The views, with what is there when they are ready. */
const views: ReadonlyArray<readonly [path: string, ready: string]> = [
  ["entities", "parcel"],
  ["entities/order", "Changed last"],
  ["entities/order/1002?at=1", "1 of 2"],
  ["consumers", "payment:command"],
  ["consumers/payments?category=payment%3Acommand", "Replay stream"],
  ["read-models", "revenue"],
  ["read-models/orders", "in use"],
  ["processes", "Deadlines"],
  ["processes/fulfilment", "1001"],
  ["processes/fulfilment/1002", "reacted after"],
  ["schemas?category=payment%3Acommand", "don't fit"],
  ["store", "messages_category"]
]

const isTooWide = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)

/** Axe takes its time, so it looks at each view once: at some on a phone in the dark, and at the others. */
const everyView = (isPhone: boolean) => async (page: Page): Promise<void> => {
  for (const [index, [path, ready]] of views.entries()) {
    const isLookedAt = (index % 3 === 0) === isPhone
    if (!isPhone && !isLookedAt) continue
    await Browser.go(page, path)
    await page.getByText(ready).first().waitFor()
    assert.isFalse(await isTooWide(page), path)
    if (isLookedAt) assert.deepStrictEqual(await Browser.findings(page), [], path)
  }
}

const ofEntities = (it: Vitest.MethodsNonLive<Environment>) => {
  it.effect("entity: two states, what differs, and the message that made it; by slider, keys, a time and by itself", () =>
    visit("streams/order-1002", async (page) => {
      await page.getByRole("link", { name: "State" }).click()
      await page.waitForURL("**/entities/order/1002")
      await page.getByRole("status").filter({ hasText: "2 of 2" }).waitFor()
      const state = page.getByRole("region", { name: "State" })
      const change = state.getByRole("row").filter({ hasText: "status" })
      await change.getByText("\"paid\"").waitFor()
      await change.getByText("\"shipped\"").waitFor()
      await state.getByRole("link", { name: "Shipped" }).waitFor()

      await page.keyboard.press("[")
      await page.waitForURL("**/entities/order/1002?at=1")
      await change.getByText("\"placed\"").waitFor()
      await page.getByRole("slider", { name: "Version" }).focus()
      await page.keyboard.press("ArrowLeft")
      await page.waitForURL("**/entities/order/1002?at=0")
      await state.getByText("\"placed\"").waitFor()

      // The whole way in one difference.
      await page.getByLabel("Version to compare with").fill("0")
      await page.getByLabel("Version to compare with").press("Enter")
      await page.getByRole("button", { name: "Next version" }).click()
      await page.getByRole("button", { name: "Next version" }).click()
      await page.waitForURL("**/entities/order/1002?at=2&cmp=0")
      await change.getByText("\"placed\"").waitFor()
      await change.getByText("\"shipped\"").waitFor()
      await state.getByRole("link", { name: "before" }).click()
      await state.getByText("\"placed\"").waitFor()

      await page.goto(new URL("/entities/order/1002?at=0", page.url()).href)
      await page.getByRole("button", { name: "Play" }).click()
      await page.getByRole("status").filter({ hasText: "2 of 2" }).waitFor()
      await page.getByRole("button", { name: "Play" }).waitFor()

      await page.getByLabel("As it was, in UTC").fill("2001-02-03T04:05:06")
      await page.getByRole("button", { name: "Show", exact: true }).click()
      await page.waitForURL("**/entities/order/1002?time=2001-02-03T04%3A05%3A06Z")
      await page.getByRole("slider", { name: "Version" }).waitFor()
    }))

  it.effect("entity: what does not decode is named, with the version before it", () =>
    Effect.gen(function*() {
      yield* append("fulfilment-odd", "Started", {})
      yield* visit("entities/fulfilment/odd", async (page) => {
        await page.getByRole("alert").getByText("A stored message does not fit its schema").waitFor()
        await page.getByText("There is no version before it").waitFor()
      })
    }))
}

const ofConsumers = (it: Vitest.MethodsNonLive<Environment>) => {
  it.effect("processes: what waits, and what one has done as groups of what it wrote", () =>
    visit("processes", async (page) => {
      await page.getByRole("link", { name: "fulfilment", exact: true }).click()
      await page.getByRole("region", { name: "What waits" }).getByRole("link", { name: "1001", exact: true }).click()
      await heading(page, "fulfilment 1001")
      const placed = page.getByRole("region", { name: "Reactions" }).getByRole("listitem").filter({ hasText: "Placed" })
        .last()
      const wrote = placed.getByRole("list", { name: "What it wrote" })
      await wrote.getByText("deadline").waitFor()
      assert.deepStrictEqual(await wrote.locator(".badge").allTextContents(), ["event", "sent", "deadline"])
      await page.getByRole("region", { name: "Pending deadlines" }).getByText("payment").waitFor()
    }))

  it.effect("consumers: a replay is asked for, done and recorded", () =>
    Effect.gen(function*() {
      const before = yield* parked(broken)
      yield* visit("consumers", async (page) => {
        await rowOf(page, "payments").getByRole("link", { name: "payments" }).click()
        await heading(page, "payments")
        await act(page, rowOf(page, broken), "Replay 1", { reason: "the provider is back" })
        await page.getByText(`Asked for a replay of the oldest message of ${broken}. It has failed again.`).waitFor()
      })
      assert.deepStrictEqual(yield* lastRecord, ["anyone", "Parking.replay", "payments", "the provider is back"])
      // It fails again, after attempts of its own.
      yield* until(
        "the message was tried again",
        Effect.map(parked(broken), ({ attempts }) => attempts > before.attempts)
      )
      yield* visit("consumers/payments?category=payment%3Acommand", async (page) => {
        await act(page, rowOf(page, broken), "Replay stream")
        await page.getByText(`Asked for a replay of ${broken}.`).waitFor()
        await page.getByRole("dialog").waitFor({ state: "detached" })
        await act(page, page.getByRole("region", { name: "Parked messages" }), "Replay all")
        await page.getByText("Asked for a replay of 2 streams.").waitFor()
      })
    }))

  it.effect("consumers: what has changed since it was looked at is not dropped; what has not is, by its typed name and with a reason", () =>
    Effect.gen(function*() {
      const run = Effect.runPromiseWith(yield* Effect.context<Shop.Shop>())
      yield* visit("consumers/payments?category=payment%3Acommand", async (page) => {
        const row = rowOf(page, misfit)
        await row.getByRole("cell", { name: "1", exact: true }).waitFor()
        await row.getByRole("button", { name: "Drop…" }).click()
        const dialog = page.getByRole("dialog")
        await run(append(misfit, "Charge", { cents: "thirteen" }))
        await run(until("it is parked behind the other", Effect.map(parked(misfit), ({ waiting }) => waiting === 2)))
        await dialog.getByLabel(/^Why/).fill("no amount")
        await dialog.getByLabel(/^Type/).fill(misfit)
        await dialog.getByRole("button", { name: "Drop", exact: true }).click()
        await dialog.getByText("1 more were parked since").waitFor()
        assert.strictEqual((await run(parked(misfit))).waiting, 2)
        assert.deepStrictEqual(await Browser.findings(page), [])
        await page.keyboard.press("Escape")
        await row.getByRole("cell", { name: "2", exact: true }).waitFor()
        await act(page, row, "Drop", { reason: "no amount", word: misfit })
        await page.getByText(`Dropped 2 messages of ${misfit}.`).waitFor()
        await row.waitFor({ state: "detached" })
      })
      assert.strictEqual((yield* parked(misfit)).waiting, 0)
      assert.deepStrictEqual(yield* lastRecord, ["anyone", "Parking.drop", "payments", "no amount"])
    }))

  it.effect("consumers: one that runs is not rewound, and one that does not is", () =>
    Effect.gen(function*() {
      // Another client's consumer, by the position that it has written.
      yield* append("order:position-audit", "Recorded", { position: 5_012 })
      const Positions = Schema.Struct({ stored: Schema.Array(Schema.Struct({ position: Schema.Int })) })
      yield* visit("consumers/payments?category=payment%3Acommand", async (page) => {
        await page.getByRole("button", { name: "Rewind…" }).click()
        const dialog = page.getByRole("dialog")
        await dialog.getByLabel("everything").check()
        await dialog.getByLabel(/^Why/).fill("again")
        await dialog.getByLabel(/^Type/).fill("payments")
        await dialog.getByRole("button", { name: "Rewind", exact: true }).click()
        await dialog.getByText("The consumer is running").waitFor()
      })
      yield* visit("consumers/audit?category=order", async (page) => {
        await page.getByRole("button", { name: "Rewind…" }).click()
        const dialog = page.getByRole("dialog")
        await dialog.getByLabel("Global position").fill("5000")
        await dialog.getByLabel(/^Why/).fill("again")
        await dialog.getByLabel(/^Type/).fill("audit")
        await dialog.getByRole("button", { name: "Rewind", exact: true }).click()
        await dialog.waitFor({ state: "detached" })
      })
      const { stored } = yield* ask("consumers/audit?category=order", Positions)
      assert.deepStrictEqual(stored.map(({ position }) => position), [4_999])
      assert.deepStrictEqual(yield* lastRecord, ["anyone", "Consumer.rewind", "audit", "again"])
    }))

  it.effect("consumers: who may not do it sees why, and no button", () =>
    visit("store", async (page) => {
      await page.route("**/about", (route) =>
        route.fulfill({
          json: { version: "0", isOpen: false, sender: { name: "reader", scopes: ["read"], categories: null } }
        }))
      await page.goto(new URL("/consumers/payments?category=payment%3Acommand", page.url()).href)
      await page.getByText("Read-only: your token has no scope admin.").waitFor()
      await rowOf(page, broken).waitFor()
      assert.strictEqual(await page.getByRole("button", { name: /…$/ }).count(), 0)
    }))
}

const ofReadModels = (it: Vitest.MethodsNonLive<Environment>) => {
  it.effect("read models: a rebuild shows its progress, waits for its switch, and builds are dropped, accepted and rewound", () =>
    Effect.gen(function*() {
      const run = Effect.runPromiseWith(yield* Effect.context<Shop.Shop>())
      assert.deepStrictEqual(yield* builds("orders"), ["1 live"])
      yield* visit("read-models", async (page) => {
        await page.getByRole("link", { name: "orders" }).click()
        await heading(page, "orders")
        await page.getByRole("button", { name: "Rebuild…" }).click()
        const dialog = page.getByRole("dialog")
        await dialog.getByLabel("wait for a switch by hand").check()
        await dialog.getByLabel(/^Type/).fill("orders")
        await dialog.getByRole("button", { name: "Rebuild", exact: true }).click()
        const progress = page.getByRole("region", { name: "Progress" })
        await progress.getByText("Build 2 has caught up, and waits for its switch.").waitFor()
        await rowOf(page, "#2").getByText("building").waitFor()
        assert.deepStrictEqual(await run(builds("orders")), ["1 live", "2 building"])

        await act(page, rowOf(page, "#2"), "Switch", { word: "orders" })
        await progress.getByText("Build 2 is in use.").waitFor()
        await rowOf(page, "#1").getByText("kept").waitFor()
        assert.deepStrictEqual(await run(builds("orders")), ["1 retired", "2 live"])
        assert.deepStrictEqual(await Browser.findings(page), [])

        await act(page, rowOf(page, "#1"), "Drop", { reason: "not needed", word: "orders" })
        await rowOf(page, "#1").waitFor({ state: "detached" })
        assert.deepStrictEqual(await run(builds("orders")), ["2 live"])
        assert.deepStrictEqual(await run(lastRecord), ["anyone", "ReadModel.drop", "orders", "not needed"])

        await act(page, page.locator(".head"), "Accept", { reason: "a name", word: "orders" })
        await page.getByRole("dialog").waitFor({ state: "detached" })
        assert.deepStrictEqual(await run(lastRecord), ["anyone", "ReadModel.accept", "orders", "a name"])

        // It runs: when it has moved on since it was looked at, one looks again.
        for (let isDone = false; !isDone;) {
          await page.getByRole("button", { name: "Look again" }).click()
          await page.getByRole("button", { name: "Rewind…" }).click()
          await dialog.getByLabel("Resume after position").fill("0")
          await dialog.getByLabel(/^Why/).fill("from the first")
          await dialog.getByLabel(/^Type/).fill("orders")
          await dialog.getByRole("button", { name: "Rewind", exact: true }).click()
          const changed = dialog.getByText("It has changed since you looked")
          await changed.or(page.locator("main:not(:has(dialog))")).first().waitFor()
          isDone = await changed.count() === 0
          if (!isDone) await page.keyboard.press("Escape")
        }
        assert.deepStrictEqual(await run(lastRecord), ["anyone", "ReadModel.rewind", "orders", "from the first"])
      })
    }))
}

/** The tests, for the browser and the server of the context. */
export const tests = (it: Vitest.MethodsNonLive<Environment>): void => {
  it.effect.skipIf(!isLong)(
    "the views of an application fit a phone in the dark, and are readable for a screen reader",
    () =>
      Effect.andThen(
        visit("store", everyView(false)),
        visit("store", everyView(true), {
          viewport: { width: 390, height: 844 },
          colorScheme: "dark",
          isMobile: true,
          hasTouch: true
        })
      )
  )

  it.effect("schemas and store: what does not fit, and what there is on disk", () =>
    visit("schemas", async (page) => {
      await page.getByRole("link", { name: "payment:command" }).click()
      await page.waitForURL("**/schemas?category=payment%3Acommand")
      const charges = page.getByRole("region", { name: "Messages of payment:command" }).getByRole("row").filter({
        hasText: "Charge"
      })
      await charges.getByText("data.cents").waitFor()
      await charges.getByRole("link", { name: /^#/ }).last().click()
      await heading(page, "Charge")
      await page.getByRole("link", { name: "Store" }).click()
      await rowOf(page, "messages_category").getByText("valid").waitFor()
      await page.getByRole("region", { name: "Privileges" }).getByText("SELECT").waitFor()
    }))

  it.effect("store: a check says what is wrong, and what to do", () =>
    Effect.gen(function*() {
      const { database, store } = yield* Shop.Shop
      yield* visit("store", async (page) => {
        const panel = page.getByRole("region", { name: "Verify" })
        await panel.getByRole("button", { name: "Check everything" }).click()
        await panel.getByText(/^[\d,]+ messages were looked at: nothing is wrong\.$/).waitFor()
        await Effect.runPromise(
          Effect.gen(function*() {
            const data = [1, 2, 3].map((data) => ({ type: "Noted", data }))
            yield* store.append("torn-1", data)
            const sql = yield* Database.session(database)
            yield* sql`DELETE FROM message_store.messages WHERE stream_name = 'torn-1' AND position = 1`
          }).pipe(Effect.scoped)
        )
        await page.keyboard.press("v")
        const found = panel.getByRole("row").filter({ hasText: "torn-1" })
        await found.getByText(/has position 2 .* after position 0/).waitFor()
        await found.getByText("error", { exact: true }).waitFor()
        await found.getByText(/restore the messages from a backup/).waitFor()
        await panel.getByText(/messages were looked at: 1 finding\.$/).waitFor()
        assert.deepStrictEqual(await Browser.findings(page), [])
        await found.getByRole("link", { name: /torn-1/ }).click()
        await heading(page, "torn-1")
      })
    }))

  ofEntities(it)
  ofConsumers(it)
  ofReadModels(it)
}
