/**
 * The header: where one is, the search box, the pause, and what may be done.
 */
import { signal } from "@preact/signals"
import { pathOf } from "../data/client.ts"
import { isPaused, newInPause, pausedAt, togglePause, wallClock } from "../data/clock.ts"
import { duration } from "../data/durations.ts"
import { whyNot } from "../data/sender.ts"
import { number } from "../parts/Names.tsx"
import { Search } from "./Search.tsx"

const themes = ["system", "light", "dark"] as const
type Theme = typeof themes[number]
const stored = "eventfold.theme"
const isTheme = (value: string | null): value is Theme => themes.some((one) => one === value)
const kept = localStorage.getItem(stored)
const theme = signal<Theme>(isTheme(kept) ? kept : "system")
theme.subscribe((value) => {
  if (value === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = value
})

const nextTheme = (): void => {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length] ?? "system"
  if (theme.value === "system") localStorage.removeItem(stored)
  else localStorage.setItem(stored, theme.value)
}

const Pause = () => {
  const since = pausedAt.value
  return (
    <>
      <button
        type="button"
        class="pause"
        aria-pressed={isPaused.value}
        aria-keyshortcuts="Space"
        data-does="pause every refresh, or go on"
        onClick={togglePause}
      >
        <span class={isPaused.value ? "light off" : "light"} aria-hidden="true" />
        {isPaused.value ? "Paused" : "Live"}
      </button>
      <span class="since" role="status">
        {since === undefined
          ? ""
          : `${duration(Math.max(0, wallClock.value - since)).replace(/\.\d/, "")}${
            newInPause.value === 0 ? "" : `, ${number(newInPause.value)} new`
          }`}
      </span>
    </>
  )
}

export const Header = ({ onHelp, onToken }: { readonly onHelp: () => void; readonly onToken: () => void }) => (
  <header>
    <a class="brand" href={pathOf("./")}>eventfold</a>
    <Search />
    <Pause />
    <button type="button" class="plain" onClick={onToken} title={whyNot.value ?? "You are an administrator here"}>
      {whyNot.value === undefined ? "may write" : "read-only"}
    </button>
    <button
      type="button"
      class="plain"
      aria-label={`Colours: ${theme.value}`}
      title={`Colours: ${theme.value}`}
      aria-keyshortcuts="d"
      data-does="light, dark, or as the system"
      onClick={nextTheme}
    >
      <span aria-hidden="true">◐</span>
    </button>
    <button type="button" class="plain" aria-label="Keys" title="Keys" onClick={onHelp}>
      <span aria-hidden="true">?</span>
    </button>
  </header>
)
