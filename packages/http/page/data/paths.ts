/**
 * Addresses of the API and of the page, relative to where it is mounted.
 */

/** Values by their names. */
export type Given = Readonly<Record<string, unknown>>

const segment = (value: string | number): string => encodeURIComponent(String(value).toWellFormed())

/** What an object has; nothing for anything else. */
export const entriesOf = (value: unknown): Given => typeof value === "object" && value !== null ? { ...value } : {}

/** A path with its parameters, relative to the page. */
export const pathOf = (route: string, params: unknown = {}, query: unknown = {}): string => {
  const given = entriesOf(params)
  const path = route.replace(/^\//, "").replace(/:(\w+)/g, (_, name: string) => segment(String(given[name])))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(entriesOf(query))) {
    if (value === undefined || value === "") continue
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one))
  }
  return search.size === 0 ? path : `${path}?${search}`
}
