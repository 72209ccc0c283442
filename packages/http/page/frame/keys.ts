/**
 * The keyboard. What has `aria-keyshortcuts` is activated by its key, so that the page and a screen reader know the same keys; `j` and
 * `k` go through what has `data-row`.
 */
import { back } from "../data/address.ts"

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName))

/** Whether the focused element does something with the space key itself. */
const usesSpace = (target: EventTarget | null): boolean =>
  target instanceof Element && target.closest("button, summary, dialog, [role=button], [role=slider]") !== null

/** The rows that are shown, from top to bottom. */
const rows = (): ReadonlyArray<HTMLElement> => [...document.querySelectorAll<HTMLElement>("main [data-row]")]

const move = (by: number): void => {
  const all = rows()
  const active = document.activeElement
  const here = all.findIndex((row) => row === active || (row.closest("tr, li")?.contains(active) ?? false))
  const next = here === -1 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, here + by))
  all[next]?.focus()
  all[next]?.closest("tr, li")?.scrollIntoView({ block: "nearest" })
}

/** The element of a key: the first one that can be used. */
const elementOf = (key: string): HTMLElement | undefined =>
  [...document.querySelectorAll<HTMLElement>(`[aria-keyshortcuts~="${CSS.escape(key)}"]`)]
    .find((one) => !(one instanceof HTMLButtonElement && one.disabled))

const onKey = (event: KeyboardEvent, help: () => void): void => {
  const { key, target } = event
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
  if (document.querySelector("dialog[open]") !== null) return
  if (key === "Escape") {
    if (target instanceof HTMLElement && isTyping(target)) target.blur()
    else back()
    event.preventDefault()
    return
  }
  if (isTyping(target)) return
  const isInRow = target instanceof Element && target.closest("[data-row]") !== null
  if (key === "j" || (key === "ArrowDown" && isInRow)) move(1)
  else if (key === "k" || (key === "ArrowUp" && isInRow)) move(-1)
  else if (key === "?") help()
  else {
    if (key === " " && usesSpace(target)) return
    const element = elementOf(key === " " ? "Space" : key)
    if (element === undefined) return
    if (element instanceof HTMLInputElement) {
      element.focus()
      element.select()
    } else element.click()
  }
  event.preventDefault()
}

/** Listens to the keyboard until it is called off. */
export const listen = (help: () => void): () => void => {
  const listener = (event: KeyboardEvent) => onKey(event, help)
  addEventListener("keydown", listener)
  return () => removeEventListener("keydown", listener)
}

/** The keys of what is there, with what they do. */
export const known = (): ReadonlyArray<readonly [key: string, does: string]> => [
  ...[...document.querySelectorAll<HTMLElement>("[aria-keyshortcuts]")].map((one) =>
    [
      one.getAttribute("aria-keyshortcuts") ?? "",
      one.dataset["does"] ?? one.getAttribute("aria-label") ?? one.textContent ?? ""
    ] as const
  ),
  ["j k", "next row, row before"],
  ["Enter", "open the row"],
  ["Esc", "back"],
  ["?", "this list"]
]
