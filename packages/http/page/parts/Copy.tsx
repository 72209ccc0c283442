/**
 * Copies text, and says that it did.
 */
import { useSignal } from "@preact/signals"

export const Copy = ({ children, keys, text }: {
  readonly text: () => string
  readonly children: string
  readonly keys?: string
}) => {
  const said = useSignal("")
  const copy = () =>
    navigator.clipboard.writeText(text()).then(
      () => {
        said.value = "copied"
      },
      () => {
        said.value = "not allowed"
      }
    ).finally(() =>
      setTimeout(() => {
        said.value = ""
      }, 1_500)
    )
  return (
    <button type="button" class="small" onClick={copy} {...(keys === undefined ? {} : { "aria-keyshortcuts": keys })}>
      {children}
      <span class="said" role="status">{said.value}</span>
    </button>
  )
}
