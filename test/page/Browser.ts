/**
 * Chromium, for tests of the page: the one of the system. A test visits an address, and fails by whatever the browser complains about.
 */
import { assert } from "@effect/vitest"
import axe from "axe-core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { existsSync } from "node:fs"
import {
  type Browser as Chromium,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page
} from "playwright-core"

/** Where systems have it. */
const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
]

/** The browser of this machine, if there is one. */
export const executable = [process.env["CHROMIUM"] ?? "", ...places].find((path) => path !== "" && existsSync(path))

/** Only what hangs meets it. */
const patience = 120_000

export class Browser extends Context.Service<Browser, {
  /** Opens an address, uses the page, and fails when the browser has had something to complain about. */
  readonly visit: (
    url: string,
    use: (page: Page) => Promise<void>,
    options?: BrowserContextOptions
  ) => Effect.Effect<void>
}>()("@eventfold/test/page/Browser") {}

/** What a page may never do, whatever it shows. */
interface Complaints {
  readonly all: Array<string>
}

const listen = (page: Page, origin: string): Complaints => {
  const all: Array<string> = []
  page.on("console", (message) => {
    // What the API refuses, and what does not answer, is a test's own matter.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) all.push(message.text())
  })
  page.on("pageerror", (error) => all.push(String(error)))
  page.on("dialog", (dialog) => {
    all.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on("request", (request) => {
    const url = request.url()
    if (!url.startsWith(`${origin}/`) && !url.startsWith("blob:")) all.push(`request to ${url}`)
  })
  return { all }
}

const desktop: BrowserContextOptions = { viewport: { width: 1280, height: 860 }, colorScheme: "light" }

/** Visits share what the browser keeps, but for those with options of their own. */
const visitWith = (browser: Chromium): Browser["Service"]["visit"] => {
  let shared: Promise<BrowserContext> | undefined
  return (url, use, options) =>
    Effect.promise(async () => {
      const context =
        await (options === undefined ? shared ??= browser.newContext(desktop) : browser.newContext(options))
      context.setDefaultTimeout(patience)
      const page = await context.newPage()
      const complaints = listen(page, new URL(url).origin)
      try {
        await page.goto(url)
        await use(page)
        assert.deepStrictEqual(complaints.all, [])
      } finally {
        await (options === undefined ? page.close() : context.close())
      }
    })
}

/** One browser for all tests of a file. */
export const layer = Layer.effect(
  Browser,
  Effect.map(
    Effect.acquireRelease(
      // As root Chromium has no sandbox. It sees nothing but the tests' own server.
      Effect.promise(() => chromium.launch({ executablePath: executable ?? "", args: ["--no-sandbox"] })),
      (browser) => Effect.promise(() => browser.close())
    ),
    (browser) => Browser.of({ visit: visitWith(browser) })
  )
)

/** Goes to another address without loading the page again, as its links do. */
export const go = (page: Page, address: string) =>
  page.evaluate((to) => {
    history.pushState(null, "", to)
    dispatchEvent(new PopStateEvent("popstate"))
  }, `/${address}`)

/** What axe finds wrong with a page: the rules, with the elements that break them. In other colours it looks at these alone. */
export const findings = async (page: Page, only?: "color-contrast"): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(
    (rule) => window.axe.run(rule === undefined ? {} : { runOnly: [rule] }),
    only
  )
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`)
}

declare global {
  interface Window {
    readonly axe: typeof axe
    readonly hacked?: unknown
  }
}
