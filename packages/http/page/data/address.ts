/**
 * The address of the page: the path below the place where it is mounted, and the query, in which every filter and selection is.
 */
import { signal } from "@preact/signals"
import { base } from "./client.ts"

// A relative one would be taken from the address of the moment.
document.querySelector("base")?.setAttribute("href", base.href)

export interface Address {
  /** The segments of the path, decoded. */
  readonly segments: ReadonlyArray<string>
  readonly query: URLSearchParams
}

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

const read = (): Address => ({
  segments: location.pathname.slice(base.pathname.length).split("/").filter((one) => one !== "").map(decoded),
  query: new URLSearchParams(location.search)
})

export const address = signal(read())

/** How many views were opened one after the other: whether there is a way back inside of the page. */
let depth = 0

/** Goes to an address relative to the page, such as `streams/account-1?from=3`. */
export const go = (to: string, { replace = false }: { readonly replace?: boolean } = {}): void => {
  const url = new URL(to, base)
  if (replace || url.href === location.href) history.replaceState(null, "", url)
  else {
    history.pushState(null, "", url)
    depth += 1
  }
  const before = address.value
  address.value = read()
  if (before.segments.join("/") !== address.value.segments.join("/")) scrollTo(0, 0)
}

/** Goes back, or up when there is nothing to go back to. */
export const back = (): void => {
  if (depth > 0) history.back()
  else go(address.value.segments.slice(0, -1).map(encodeURIComponent).join("/"))
}

/** Changes some of the query, and keeps the rest. Nothing or empty text takes a filter away. */
export const goQuery = (
  changes: Readonly<Record<string, string | number | undefined>>,
  options?: { readonly replace?: boolean }
): void => go(hrefQuery(changes), options)

/** The address with some of the query changed. */
export const hrefQuery = (changes: Readonly<Record<string, string | number | undefined>>): string => {
  const { query, segments } = address.value
  const changed = new URLSearchParams(query)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === "") changed.delete(name)
    else changed.set(name, String(value))
  }
  return `${segments.map(encodeURIComponent).join("/")}${changed.size === 0 ? "" : `?${changed}`}`
}

/** A whole number of the query, from the least one. */
export const numberOf = (name: string, least = 0): number | undefined => {
  const text = address.value.query.get(name)
  const number = Number(text)
  return text !== null && /^\d{1,16}$/.test(text) && Number.isSafeInteger(number) && number >= least
    ? number
    : undefined
}

addEventListener("popstate", () => {
  depth = Math.max(0, depth - 1)
  address.value = read()
})

/** Links of the page change the view without loading it again. */
addEventListener("click", (event) => {
  const { target } = event
  const link = target instanceof Element ? target.closest("a") : null
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
  if (link === null || !isPlain || event.defaultPrevented || link.target !== "" || link.hasAttribute("download")) return
  const url = new URL(link.href)
  if (url.origin !== base.origin || !url.pathname.startsWith(base.pathname)) return
  const inside = url.pathname.slice(base.pathname.length)
  if (/^(?:docs|openapi\.json|metrics|page)(?:\/|$)/.test(inside)) return
  event.preventDefault()
  go(url.href)
})
