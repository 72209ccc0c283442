import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, layer } from "@effect/vitest"
import { Authentication, Routes, Server, Tokens } from "@eventfold/http"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as MessageStore from "eventfold/MessageStore"
import { createServer } from "node:http"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { isLong, shortOrLong } from "../support/Form.ts"
import * as Application from "./Application.ts"
import * as Browser from "./Browser.ts"
import { hostile } from "./Hostile.ts"
import * as Live from "./Live.ts"
import * as Shop from "./Shop.ts"

const Environment = Layer.mergeAll(Browser.layer, Shop.layer)

const visit = (
  path: string,
  ...rest: Parameters<Browser.Browser["Service"]["visit"]> extends [string, ...infer Rest] ? Rest : never
) =>
  Effect.gen(function*() {
    const { url } = yield* Shop.Shop
    const browser = yield* Browser.Browser
    yield* browser.visit(`${url}/${path}`, ...rest)
  })

/** Asks the API, as a program does. */
const ask = (path: string, init?: RequestInit) =>
  Effect.flatMap(
    Shop.Shop,
    ({ url }) => Effect.promise(() => fetch(`${url}/${path}`, init).then((answer): Promise<unknown> => answer.json()))
  )

const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name }).waitFor()

const shows = (page: Page, text: string) => page.getByText(text, { exact: true }).first().waitFor()

/** Whether something sticks out at the right, so that one has to scroll to see it. */
const isTooWide = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)

/** The views, with what is there when they are ready. */
const views: ReadonlyArray<readonly [path: string, ready: string]> = [
  ["", "Recent errors"],
  ["streams", "Categories that begin with"],
  ["streams?category=order", "order-1001"],
  ["streams/order-1002?dir=f", "oldest first"],
  ["messages", "as they come"],
  ["messages?from=1", "from the first"],
  ["correlations/order-1002", "Completed"]
]

const secret = "ef_reader-of-everything"

/** A server with a token that reads. */
const Guarded = Server.layer({ port: 0, accessLog: false, page: { write: true } }).pipe(
  Layer.provide(
    Tokens.layer([{ name: "reader", sha256: Tokens.hash(Redacted.make(secret)), scopes: ["read"] }])
  ),
  Layer.provide(MessageStore.layerMemory)
)

/** The routes below a prefix of a program. */
const Mounted = HttpRouter.serve(Routes.layer({ prefix: "/shop/events" }), {
  disableListenLog: true,
  disableLogger: true
})
  .pipe(
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
    Layer.provide([Authentication.layerOpen, MessageStore.layerMemory])
  )

/** The pictures of the docs: where they go, and what is to be there when they are taken. They are drawn when one asks for them. */
const pictures: ReadonlyArray<readonly [name: string, path: string, ready: string]> = [
  ["now", "", "Recent errors"],
  ["message", "messages/:placed", "11 messages in 6 streams"],
  ["stream", "streams/order-1001", "Shipped"],
  ["consumer", "consumers/payments", "command-1005"],
  ["entity", "entities/order/1001", "shipped"]
]

describe.skipIf(Browser.executable === undefined)("the page", () => {
  layer(Environment, { excludeTestServices: true })((it) => {
    it.effect("shows what needs attention first, and leads to the message that is parked", () =>
      visit("", async (page) => {
        await heading(page, "Now")
        const attention = page.getByRole("region", { name: "Needs attention" })
        await attention.getByText("2 messages of 2 streams").waitFor()
        await page.getByRole("region", { name: "Readers" }).getByRole("link", { name: "fulfilment" }).waitFor()
        const row = page.getByRole("region", { name: "Recent errors" }).getByRole("row").filter({
          hasText: "command-1005"
        })
        await row.getByText("the payment provider failed: 500 Internal Server Error").waitFor()
        await row.getByRole("link", { name: /^#/ }).click()
        await heading(page, "Charge")
        await page.getByRole("region", { name: "Handled by" }).getByText("parked").waitFor()
        assert.strictEqual(
          await page.title(),
          `Charge ${new URL(page.url()).pathname.replace("/messages/", "#")} · eventfold`
        )
      }))

    it.effect.skipIf(process.env["EVENTFOLD_PICTURES"] === undefined)(
      "is drawn for the docs",
      () =>
        Effect.flatMap(
          Shop.Shop,
          ({ placed }) =>
            Effect.forEach(pictures, ([name, path, ready]) =>
              visit(path.replace(":placed", String(placed)), async (page) => {
                await page.getByText(ready).first().waitFor()
                // What is beside the picture's subject comes a moment later.
                await page.waitForLoadState("networkidle").catch(() =>
                  undefined
                )
                await page.screenshot({ path: join(import.meta.dirname, `../../docs/page/${name}.png`) })
              }, { viewport: { width: 1180, height: 620 }, colorScheme: "light" }), { discard: true })
        )
    )

    it.effect("goes from categories to streams to messages, with every filter in the address", () =>
      visit("streams", async (page) => {
        await page.getByRole("link", { name: "order", exact: true }).click()
        await page.waitForURL("**/streams?category=order")
        await page.getByLabel("Streams that begin with").fill("order-1003")
        await page.keyboard.press("Enter")
        await page.waitForURL("**/streams?category=order&prefix=order-1003")
        await page.getByRole("link", { name: "order-1001", exact: true }).waitFor({ state: "detached" })
        await page.getByRole("link", { name: "order-1003", exact: true }).click()
        await heading(page, "order-1003")
        await page.getByRole("link", { name: "Cancelled" }).click()
        await page.waitForURL("**/streams/order-1003?type=Cancelled")
        await page.getByText("show all types").waitFor()
        await page.reload()
        await page.getByRole("link", { name: "show all types" }).click()
        await page.getByRole("link", { name: "Placed" }).waitFor()
        await page.goBack()
        await page.getByText("show all types").waitFor()
      }))

    it.effect("walks a long stream by windows, by position and by time", () =>
      visit("streams/meter-1?at=2500", async (page) => {
        const current = page.locator("tr[aria-current]")
        await current.getByText("2,500").waitFor()
        assert.isTrue(
          await current.evaluate((row) => {
            const { bottom, top } = row.getBoundingClientRect()
            return top >= 0 && bottom <= innerHeight
          })
        )
        assert.strictEqual(await page.locator("tbody tr").count(), 50)
        await page.getByRole("link", { name: "Older" }).click()
        await shows(page, "2,475")
        await page.getByRole("link", { name: "Newer" }).click()
        await shows(page, "2,476")
        await page.getByLabel("Go to a position or a time").fill("17")
        await page.keyboard.press("Enter")
        await current.getByText("17", { exact: true }).waitFor()
        const time = await current.locator("time").getAttribute("datetime")
        // All of an append have one time: the first of them is at 0.
        await page.getByLabel("Go to a position or a time").fill(time ?? "")
        await page.keyboard.press("Enter")
        await page.waitForURL("**/streams/meter-1?at=0")
        await page.getByLabel("Go to a position or a time").fill("yesterday")
        await page.keyboard.press("Enter")
        await page.getByRole("alert").getByText("yesterday is neither a position nor a time").waitFor()
      }))

    it.effect("flags what does not fit its schema, in the stream and in the message", () =>
      visit("streams/payment%3Acommand-misfit", async (page) => {
        await shows(page, "does not decode")
        await page.getByRole("link", { name: /^#/ }).click()
        await page.getByText("data.cents").waitFor()
        await page.getByRole("link", { name: "decoded" }).click()
        await shows(page, "It does not fit its schema.")
      }))

    it.effect("shows what happened because of what, as a waterfall, a table and a graph", () =>
      Effect.gen(function*() {
        yield* visit("correlations/order-1002", async (page) => {
          const trace = page.getByRole("region", { name: "Trace" })
          await trace.getByText("11 messages in 6 streams").waitFor()
          assert.deepStrictEqual(
            (await trace.locator("tbody th a").allTextContents()).slice(0, 4),
            ["Placed", "Started", "Charge", "Charged"]
          )
          const scripts: Array<string> = []
          page.on("request", (request) => scripts.push(request.url()))
          await trace.getByRole("link", { name: "graph" }).click()
          await trace.getByRole("link", { name: "Charged in payment-1002" }).waitFor()
          assert.isTrue(scripts.some((url) => url.endsWith(".js")))
          await trace.getByRole("link", { name: "table" }).click()
          await trace.getByRole("columnheader", { name: "Cause" }).waitFor()
          await trace.getByRole("link", { name: "Charged" }).or(trace.getByRole("row").filter({ hasText: "Charged" }))
            .first().waitFor()
        })
      }))

    it.effect("is used by the keyboard alone", () =>
      visit("", async (page) => {
        await heading(page, "Now")
        await page.keyboard.press("/")
        await page.keyboard.type("order-1002")
        await page.getByRole("option", { name: "stream order-1002" }).waitFor()
        await page.keyboard.press("Enter")
        await heading(page, "order-1002")
        await page.getByRole("link", { name: "Shipped" }).waitFor()
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await page.keyboard.press("k")
        await page.keyboard.press("Enter")
        await heading(page, "Paid")
        await page.keyboard.press("c")
        await heading(page, "Charged")
        await page.keyboard.press("c")
        await heading(page, "Charge")
        await page.keyboard.press("s")
        await heading(page, "payment:command-1002")
        await page.keyboard.press("Escape")
        await heading(page, "Charge")
        await page.keyboard.press("?")
        await page.getByRole("dialog", { name: "Keys" }).getByText("to the cause").waitFor()
        await page.keyboard.press("Escape")
        await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "detached" })
        // Why an order was not shipped: from its stream to the trace, which says which message waits.
        await page.keyboard.press("/")
        await page.keyboard.type("order 1005")
        await page.keyboard.press("Enter")
        await heading(page, "order-1005")
        await page.getByRole("link", { name: "Placed" }).waitFor()
        await page.keyboard.press("w")
        await page.getByRole("row").filter({ hasText: "Charge" }).getByText("parked for payments").waitFor()
        await page.keyboard.press("/")
        await page.keyboard.type("#1")
        await page.keyboard.press("Enter")
        await page.waitForURL("**/messages/1")
        await page.keyboard.press("/")
        await page.keyboard.type("meter")
        await page.keyboard.press("Enter")
        await heading(page, "meter")
      }))

    it.effect("finds a message by its id, and says when there is none", () =>
      Effect.gen(function*() {
        const { placed } = yield* Shop.Shop
        const message = yield* ask(`messages/${placed}`)
        const id = typeof message === "object" && message !== null && "id" in message ? String(message.id) : ""
        yield* visit(`messages?id=${id}`, async (page) => {
          await page.waitForURL(`**/messages/${placed}`)
          await Browser.go(page, "messages?id=00000000-0000-4000-8000-000000000000")
          await page.getByText("No message has the id").waitFor()
          await Browser.go(page, "messages/9999999")
          await shows(page, "No message is at #9,999,999")
          await Browser.go(page, "streams/nobody-1")
          await shows(page, "No messages")
          await Browser.go(page, "nowhere/at/all")
          await shows(page, "No view has this address")
        })
      }))

    it.effect("is not changed by any name, type or value", () =>
      Effect.gen(function*() {
        const addresses = [
          "streams",
          "streams?category=hostile",
          "messages?from=1",
          ...hostile.map(({ streamName }) => `streams/${encodeURIComponent(streamName)}`),
          ...hostile.map((_, index) => `messages/${index + 1}`),
          ...hostile.slice(0, shortOrLong(3, hostile.length)).map((_, index) => `messages/${index + 1}?data=raw`)
        ]
        yield* visit("streams", async (page) => {
          for (const address of addresses) {
            await Browser.go(page, address)
            await page.locator("main .panel:has(table, .json, .empty, .failure)").first().waitFor()
            assert.isUndefined(await page.evaluate(() => window.hacked), address)
            assert.strictEqual(
              await page.locator("main script, main img, main b, main [onerror], main [onclick]").count(),
              0,
              address
            )
            assert.isFalse(await isTooWide(page), address)
            const targets = await page.locator("main a").evaluateAll((links) =>
              links.flatMap((link) => link instanceof HTMLAnchorElement ? [link.href] : [])
            )
            assert.deepStrictEqual(
              targets.filter((target) => !target.startsWith(new URL("/", page.url()).href)),
              [],
              address
            )
          }
          // What turns the direction around is shown by its code.
          await Browser.go(page, "messages/3")
          await page.getByText("U+202E").first().waitFor()
          // The lines of JSON are no such characters.
          await Browser.go(page, "messages/5?data=raw")
          assert.match(await page.locator("pre").innerText(), /^\{\n {2}"toString": null,\n {2}"/)
          await Browser.go(page, "messages/1")
          await heading(page, "<script>window.hacked = 1</script>")
        })
      }))

    it.effect("follows what is written, and stands still in a pause", () =>
      Effect.gen(function*() {
        const { url } = yield* Shop.Shop
        const write = (data: string) =>
          fetch(`${url}/streams/note-1/messages`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ type: "Noted", data })
          })
        yield* visit("messages?category=note", async (page) => {
          await page.getByText("connected").waitFor()
          await write("first")
          await shows(page, `"first"`)
          await page.keyboard.press("Space")
          await page.getByRole("button", { name: "Paused" }).waitFor()
          await write("second")
          await page.getByText(/, 1 new$/).waitFor()
          assert.strictEqual(await page.getByText(`"second"`).count(), 0)
          await page.keyboard.press("Space")
          await shows(page, `"second"`)
        })
      }))

    it.effect("asks nothing in a pause", () =>
      visit("", async (page) => {
        await page.getByText("each second").waitFor()
        await page.getByText("Recent errors").waitFor()
        await page.keyboard.press("Space")
        await page.getByRole("button", { name: "Paused" }).waitFor()
        const asked: Array<string> = []
        page.on("request", (request) => asked.push(request.url()))
        const frozen = await page.locator("main").innerText()
        // The store goes on, which another page shows by its own looks.
        const other = await page.context().newPage()
        await other.goto(page.url())
        await other.getByText("each second").waitFor()
        await other.evaluate(() =>
          new Promise((resolve) => {
            let seen = 0
            new MutationObserver(() => {
              seen += 1
              if (seen === 3) resolve(undefined)
            }).observe(document.body, { subtree: true, childList: true, characterData: true })
          })
        )
        await other.close()
        assert.strictEqual(await page.locator("main").innerText(), frozen)
        assert.deepStrictEqual(asked, [])
      }))

    it.effect("fits a phone in the dark, and is readable for a screen reader", () =>
      visit("", async (page) => {
        for (const [index, [path, ready]] of views.entries()) {
          await Browser.go(page, path)
          await page.getByText(ready).first().waitFor()
          assert.isFalse(await isTooWide(page), path)
          await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Messages" }).waitFor()
          // Axe takes longer than all else.
          if (isLong || index % 3 === 0) assert.deepStrictEqual(await Browser.findings(page), [], path)
        }
      }, { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true }))

    it.effect("has colours that can be told apart by day, and dialogs that a screen reader can read", () =>
      visit("", async (page) => {
        for (const [path, ready] of views.slice(0, shortOrLong(1, views.length))) {
          await Browser.go(page, path)
          await page.getByText(ready).first().waitFor()
          assert.deepStrictEqual(await Browser.findings(page, "color-contrast"), [], path)
        }
        await page.keyboard.press("?")
        assert.deepStrictEqual(await Browser.findings(page), [], "keys")
      }))

    it.effect("asks for a token where the server has some, and keeps it in the tab", () =>
      Effect.gen(function*() {
        const browser = yield* Browser.Browser
        const { address } = yield* HttpServer.HttpServer
        yield* browser.visit(`${HttpServer.formatAddress(address)}/streams`, async (page) => {
          const dialog = page.getByRole("dialog", { name: "Token" })
          await dialog.getByText("This server asks for a token.").waitFor()
          await page.keyboard.type("ef_wrong")
          await page.keyboard.press("Enter")
          await dialog.getByText("This server does not know the token.").waitFor()
          await page.keyboard.type(secret)
          await page.keyboard.press("Enter")
          await shows(page, "No categories")
          await page.getByText("read-only").waitFor()
          assert.notInclude(page.url() + await page.content(), secret)
          await page.reload()
          await shows(page, "No categories")
          assert.strictEqual(await dialog.count(), 0)
          await page.getByRole("button", { name: "read-only" }).click()
          await dialog.getByRole("button", { name: "Forget it" }).click()
          await dialog.getByText("This server asks for a token.").waitFor()
        })
      }).pipe(Effect.provide(Guarded)))

    it.effect("works below a prefix", () =>
      Effect.gen(function*() {
        const browser = yield* Browser.Browser
        const { address } = yield* HttpServer.HttpServer
        yield* browser.visit(`${HttpServer.formatAddress(address)}/shop/events/`, async (page) => {
          await heading(page, "Now")
          await page.getByRole("navigation", { name: "Views" }).getByRole("link", { name: "Streams" }).click()
          await page.waitForURL("**/shop/events/streams")
          await page.keyboard.press("/")
          await page.keyboard.type("a-b/c")
          await page.keyboard.press("Enter")
          await page.waitForURL("**/shop/events/streams/a-b%2Fc")
          await page.reload()
          await shows(page, "No messages")
        })
      }).pipe(Effect.provide(Mounted)))

    Live.tests(it)
    Application.tests(it)
  })
})
