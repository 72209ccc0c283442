/**
 * Goes to something by its id.
 */
import type { ComponentChildren } from "preact"
import { go } from "../data/address.ts"

export const OpenById = ({ label, name, to }: {
  /** What stands before the field. */
  readonly label: ComponentChildren
  /** What the field is called. */
  readonly name: string
  /** The address of what has the id. */
  readonly to: (id: string) => string
}) => (
  <form
    class="filters"
    onSubmit={(event) => {
      event.preventDefault()
      const id = new FormData(event.currentTarget).get("id")
      if (typeof id === "string" && id !== "") go(to(id))
    }}
  >
    <label>
      {label}
      <input class="mono" name="id" autocomplete="off" spellcheck={false} placeholder="id" aria-label={name} />
    </label>
    <button type="submit" class="small">Open</button>
  </form>
)
