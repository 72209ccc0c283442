/** The core works in a browser as it does in Node: entity, refusal and consumer, in the system's Chromium. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync } from "node:fs"
import { chromium } from "playwright-core"
import { serve } from "../src/Served.ts"

/** Where systems have it. */
const executable = [
  process.env["CHROMIUM"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome"
]
  .find((path) => path !== "" && existsSync(path))

/** Only what hangs meets it. */
const patience = 120_000

const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
      ...executable !== undefined && { executablePath: executable },
      args: ["--no-sandbox"],
      timeout: patience
    })
  ),
  (browser) => Effect.promise(() => browser.close())
)

it.live.skipIf(executable === undefined)(
  "an account in a page decides, refuses, and tells what has happened",
  () =>
    Effect.gen(function*() {
      const { url } = yield* Effect.acquireRelease(
        Effect.promise(() => serve(0)),
        (served) => Effect.sync(served.close)
      )
      const chromium = yield* browser
      const complaints: Array<string> = []
      const seen = yield* Effect.promise(async () => {
        const page = await chromium.newPage()
        page.setDefaultTimeout(patience)
        page.on("pageerror", (error) => complaints.push(String(error)))
        page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
        await page.goto(url)
        await page.click("#withdraw")
        await page.getByText("there are only 0").waitFor()
        await page.click("#deposit")
        await page.getByText("Balance: 25").waitFor()
        await page.click("#withdraw")
        await page.getByText("1: 10 withdrawn").waitFor()
        return {
          balance: await page.textContent("#balance"),
          refusal: await page.textContent("#refusal"),
          events: await page.locator("#events li").allTextContents()
        }
      })
      assert.deepStrictEqual(complaints, [])
      assert.deepStrictEqual(seen, {
        balance: "15",
        refusal: "",
        events: ["0: 25 deposited", "1: 10 withdrawn"]
      })
    })
)
