/**
 * The keys of the view that is open.
 */
import { useMemo } from "preact/hooks"
import { Dialog } from "../parts/Dialog.tsx"
import { known } from "./keys.ts"

export const Help = ({ onClose }: { readonly onClose: () => void }) => {
  const keys = useMemo(() => known(), [])
  return (
    <Dialog label="Keys" onClose={onClose}>
      <h2>Keys</h2>
      <dl class="keys">
        {keys.map(([key, does]) => (
          <div key={`${key} ${does}`}>
            <dt>{key.split(" ").map((one) => <kbd key={one}>{one}</kbd>)}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="dim">
        The search box understands a stream (<code>account-123</code>), a category (<code>account</code>), a global
        position (<code>#48211</code>), the id of a message, and a correlation (<code>corr:order-7</code>).
      </p>
      <form method="dialog">
        <button>Close</button>
      </form>
    </Dialog>
  )
}
