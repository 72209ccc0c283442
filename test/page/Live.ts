/**
 * The tests of what changes while one looks, and of what is long: the live tail, what holds readers back, a server that is killed, and a
 * stream that no screen could hold. They share the browser and the server of the page's other tests.
 */
import { assert, type Vitest } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Page } from "playwright-core"
import * as Database from "../support/Database.ts"
import { isLong, shortOrLong } from "../support/Form.ts"
import { until } from "../support/Until.ts"
import * as Browser from "./Browser.ts"
import * as Shop from "./Shop.ts"

type Environment = Browser.Browser | Shop.Shop

const visit = (path: string, use: (page: Page) => Promise<void>) =>
  Effect.gen(function*() {
    const { url } = yield* Shop.Shop
    const browser = yield* Browser.Browser
    yield* browser.visit(`${url}/${path}`, use)
  })

/** Writes numbers from one to another into a stream, an append each, or all in one. */
const count = (stream: string, from: number, to: number, { atOnce = false } = {}) =>
  Effect.flatMap(Shop.Shop, ({ store }) => {
    const messages = Array.from({ length: to - from }, (_, index) => ({ type: "Counted", data: from + index }))
    const appends = atOnce ? [messages] : messages.map((message) => [message])
    return Effect.orDie(Effect.forEach(appends, (one) => store.append(stream, one), { discard: true }))
  })

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => String(from + index))

const data = (page: Page) => page.locator("tbody td.wide").allTextContents()

/** Has the page note each task that keeps it from answering for more than 50 ms. */
const noteLongTasks = (page: Page) =>
  page.evaluate(() => {
    const tasks: Array<number> = []
    Object.assign(window, { longTasks: tasks })
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => Math.round(duration))))
      .observe({ type: "longtask" })
  })

/** Prints what was noted. A time is no condition of a test: it tells of the machine. */
const sayLongTasks = (page: Page, what: string): Promise<void> =>
  page.evaluate(() => window.longTasks ?? []).then((tasks) =>
    Effect.runPromise(Console.log(`${what}: ${tasks.length} tasks over 50 ms, in ms: ${tasks.join(", ")}`))
  )

/** The tests, for the browser and the server of the context. */
export const tests = (it: Vitest.MethodsNonLive<Environment>): void => {
  it.effect("the tail shows all of 200 messages that come at once, and a sample of more, with the last one", () =>
    Effect.gen(function*() {
      const run = Effect.runPromiseWith(yield* Effect.context<Shop.Shop>())
      yield* visit("messages?category=count", async (page) => {
        await page.getByText("connected").waitFor()
        await noteLongTasks(page)
        await run(count("count-1", 0, 200, { atOnce: true }))
        await page.getByText("199", { exact: true }).waitFor()
        assert.deepStrictEqual(await data(page), range(0, 200))
        assert.strictEqual(await page.getByText(/a sample/).count(), 0)
        const all = shortOrLong(4_000, 20_000)
        for (let from = 200; from < all; from += 500) {
          await run(count("count-1", from, Math.min(all, from + 500), { atOnce: true }))
        }
        await page.getByText(/a sample: 1 in \d+/).waitFor()
        await page.getByText(String(all - 1), { exact: true }).waitFor()
        const shown = (await data(page)).map(Number)
        assert.isAtMost(shown.length, 500)
        assert.deepStrictEqual(shown, shown.toSorted((a, b) => a - b))
        if (isLong) await sayLongTasks(page, `a tail of ${all} messages`)
      })
    }))

  it.effect("now says which transaction holds readers back, until it has ended", () =>
    Effect.gen(function*() {
      const { database, store } = yield* Shop.Shop
      const sql = yield* Database.session(database)
      yield* sql`SET application_name TO 'billing'`
      yield* sql`BEGIN`
      yield* sql`SELECT message_store.write_message(gen_random_uuid()::varchar, 'slow-1', 'Slow', '{}'::jsonb)`
      const run = Effect.runPromise
      yield* visit("", async (page) => {
        const attention = page.getByRole("region", { name: "Needs attention" })
        const held = attention.getByRole("listitem").filter({ hasText: "held back" }).filter({ hasText: "orders" })
        await run(store.append("order-2001", {
          type: "Placed",
          data: {
            lines: [{ item: "teapots", count: 1, price: 2_000 }],
            total: 2_000,
            card: "good",
            payWithin: 1_800_000
          }
        }))
        await held.getByText(/by pid \d+ of billing, idle in transaction, for \d+/).waitFor()
        await page.goto(new URL("/read-models/orders", page.url()).href)
        await page.getByText(/^Held back at #[\d,]+ by pid \d+ of billing/).waitFor()
        await run(sql`COMMIT`)
        await page.goto(new URL("/", page.url()).href)
        await page.getByText("Recent errors").waitFor()
        await held.waitFor({ state: "detached" })
      })
    }).pipe(Effect.scoped, Effect.orDie))

  it.effect("the tail comes back after the server was killed, and has lost nothing and shows nothing twice", () =>
    Effect.gen(function*() {
      const { kill, restart, url } = yield* Shop.Shop
      const run = Effect.runPromiseWith(yield* Effect.context<Shop.Shop>())
      yield* count("tally-1", 0, 5)
      yield* visit("messages?category=tally&type=Counted", async (page) => {
        await page.getByText("4", { exact: true }).waitFor()
        // Some are written while it dies, some while it is down, and some while it starts.
        const dying = await run(Effect.forkDetach(count("tally-1", 5, 40)))
        await run(kill)
        await page.getByText(/connection lost/).waitFor()
        await run(Fiber.join(dying))
        await run(count("tally-1", 40, 80))
        const starting = await run(Effect.forkDetach(restart))
        await run(count("tally-1", 80, 120))
        await run(Fiber.join(starting))
        await run(count("tally-1", 120, 125))
        await page.getByText("124", { exact: true }).waitFor()
        assert.deepStrictEqual(await data(page), range(0, 125))
        await page.getByText("connected").waitFor()
      })
      yield* until(
        "the server answers",
        Effect.promise(() => fetch(`${url}/healthz`).then(({ ok }) => ok, () => false))
      )
    }))

  it.effect("a long stream is walked by windows with the keys, and the page has no more than one of them", () =>
    Effect.gen(function*() {
      const { readings } = Shop
      yield* visit("streams/meter-1", async (page) => {
        const named = new Intl.NumberFormat("en")
        await page.getByText(named.format(readings - 1), { exact: true }).waitFor()
        await noteLongTasks(page)
        const windows = shortOrLong(5, 100)
        for (let walked = 1; walked <= windows; walked++) {
          await page.keyboard.press("n")
          await page.getByText(named.format(readings - 1 - 50 * walked), { exact: true }).waitFor()
          assert.strictEqual(await page.locator("tbody tr").count(), 50)
        }
        await page.keyboard.press("p")
        await page.getByText(named.format(readings - 1 - 50 * (windows - 1)), { exact: true }).waitFor()
        // To the middle, by a position.
        await page.keyboard.press("g")
        await page.keyboard.type(String(readings / 2))
        await page.keyboard.press("Enter")
        await page.locator("tr[aria-current]").getByText(named.format(readings / 2), { exact: true }).waitFor()
        await page.getByRole("link", { name: "oldest first" }).click()
        // A key is for what is shown.
        await page.getByRole("link", { name: "newest first" }).waitFor()
        await page.locator("tbody tr").first().waitFor()
        const shown = await page.locator("tbody tr").first().textContent()
        await page.keyboard.press("n")
        await page.waitForFunction((text) => {
          const now = document.querySelector("tbody tr")?.textContent
          return now != null && now !== text
        }, shown)
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await page.getByRole("heading", { level: 1, name: "Read" }).waitFor()
        await page.keyboard.press("Escape")
        await page.getByRole("heading", { level: 1, name: "meter-1" }).waitFor()
        if (isLong) await sayLongTasks(page, `${windows} windows of a stream of ${readings} messages`)
      })
    }))
}

declare global {
  interface Window {
    readonly longTasks?: ReadonlyArray<number>
  }
}
