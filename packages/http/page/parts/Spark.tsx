/**
 * A small line of numbers, the newest at the right. It is beside the number that it tells the past of.
 */
export const Spark = ({ label, values, width = 120 }: {
  readonly values: ReadonlyArray<number | null>
  /** For those who don't see it. */
  readonly label: string
  readonly width?: number
}) => {
  const height = 22
  const largest = Math.max(1e-9, ...values.map((value) => value ?? 0))
  const step = values.length < 2 ? 0 : width / (values.length - 1)
  let path = ""
  let isOpen = false
  for (const [index, value] of values.entries()) {
    if (value === null) {
      isOpen = false
      continue
    }
    path += `${isOpen ? "L" : "M"}${(index * step).toFixed(1)} ${
      (height - 2 - (height - 4) * value / largest).toFixed(1)
    }`
    isOpen = true
  }
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <path d={path} />
    </svg>
  )
}
