/** The page, and its script as one file. */
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"

/** Bundles what runs in the browser. */
export const script = async (): Promise<string> => {
  const bundle = await rolldown({
    input: fileURLToPath(import.meta.resolve("./page.ts")),
    platform: "browser",
    logLevel: "silent"
  })
  const { output } = await bundle.generate({ format: "esm", minify: true })
  await bundle.close()
  return output[0].code
}

/** The page. */
export const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>An account</title>
<link rel="icon" href="data:,">
<h1>Balance: <output id="balance">0</output></h1>
<button id="deposit">Deposit 25</button>
<button id="withdraw">Withdraw 10</button>
<p id="refusal" role="status"></p>
<ol id="events" start="0"></ol>
<script type="module" src="/page.js"></script>
</html>
`
