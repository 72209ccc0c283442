/**
 * Runs the programs of this folder over the packages of another checkout: `node --import fromCheckout.ts?checkout=/path`.
 *
 * What a program imports of eventfold and of Effect comes from where the same file would find it in the other checkout.
 * Everything else, the clients of the peers among them, comes from here.
 */
import { registerHooks } from "node:module"
import { pathToFileURL } from "node:url"

const own = new URL("../../", import.meta.url).href

const other = pathToFileURL(`${new URL(import.meta.url).searchParams.get("checkout") ?? ""}/`).href

/** `@eventfold/test` is a program, as this is. */
const isOfBuild = (specifier: string) =>
  /^(eventfold|effect|@effect\/[^/]+|@eventfold\/(?!test\/)[^/]+)(\/|$)/.test(specifier)

const isProgram = (url: string) => url.startsWith(`${own}test/`) && !url.includes("/node_modules/")

registerHooks({
  resolve: (specifier, context, nextResolve) => {
    const { parentURL } = context
    return parentURL !== undefined && isProgram(parentURL) && isOfBuild(specifier)
      ? nextResolve(specifier, { ...context, parentURL: other + parentURL.slice(own.length) })
      : nextResolve(specifier, context)
  }
})
