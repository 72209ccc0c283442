/** Serves the page on this machine. */
import { createServer } from "node:http"
import { html, script } from "./Bundle.ts"

export interface Served {
  readonly url: string
  readonly close: () => void
}

/** Serves on a port; 0 takes a free one. */
export const serve = async (port: number): Promise<Served> => {
  const code = await script()
  const server = createServer((request, response) => {
    if (request.url === "/") response.setHeader("content-type", "text/html; charset=utf-8").end(html)
    else if (request.url === "/page.js") response.setHeader("content-type", "text/javascript; charset=utf-8").end(code)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve)
  })
  const address = server.address()
  if (typeof address !== "object" || address === null) throw new Error("the server has no address")
  return {
    url: `http://127.0.0.1:${address.port}/`,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
