/**
 * What time it is by the clock of the server, and the pause that stops it together with every refresh.
 */
import { computed, signal } from "@preact/signals"

/** How far the server's clock is ahead, in milliseconds. */
let ahead = 0

const read = (): number => Date.now() + ahead

const ticking = signal(read())

/** When the page was paused; nothing while it is not. */
export const pausedAt = signal<number | undefined>(undefined)

/** Whether everything stands still. */
export const isPaused = computed(() => pausedAt.value !== undefined)

/** How many messages have come since the pause, where something counts them. */
export const newInPause = signal(0)

/** The time, each second; it stands still in a pause. */
export const now = computed(() => pausedAt.value ?? ticking.value)

/** The time in a pause, too. */
export const wallClock = ticking

export const togglePause = (): void => {
  ticking.value = read()
  newInPause.value = 0
  pausedAt.value = isPaused.value ? undefined : ticking.value
}

/** Takes the time of an answer, which has whole seconds: less than two are no difference. */
export const learnTime = (date: string | null): void => {
  const told = date === null ? Number.NaN : Date.parse(date)
  const difference = told + 500 - Date.now()
  if (Number.isFinite(told)) ahead = Math.abs(difference) < 2_000 ? 0 : difference
}

setInterval(() => {
  if (!document.hidden) ticking.value = read()
}, 1_000)
