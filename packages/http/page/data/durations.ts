/**
 * Durations and distances, as one reads them.
 */

const units = [["d", 86_400_000], ["h", 3_600_000], ["m", 60_000], ["s", 1_000]] as const

/** A duration in its two largest units, such as `3 m 12 s`; below a minute with the digits that matter. */
export const duration = (milliseconds: number): string => {
  const size = Math.abs(milliseconds)
  if (size < 1_000) return `${Math.round(size)} ms`
  if (size < 60_000) return `${size < 10_000 ? (Math.floor(size / 100) / 10).toFixed(1) : Math.floor(size / 1_000)} s`
  const at = units.findIndex(([, length]) => size >= length)
  const [unit, length] = units[at] ?? units[3]
  const [smaller, part] = units[at + 1] ?? units[3]
  const rest = Math.floor(size % length / part)
  return `${Math.floor(size / length)} ${unit}${rest === 0 ? "" : ` ${rest} ${smaller}`}`
}

/** How long ago something was, in its largest unit, such as `3 s ago`. */
export const distance = (from: number, to: number): string => {
  const size = to - from
  if (size < -1_000) return `in ${duration(-size)}`
  if (size < 1_000) return "now"
  const [unit, length] = units.find(([, length]) => size >= length) ?? units[3]
  return `${Math.floor(size / length)} ${unit} ago`
}
