/**
 * What an administrator does: a button, and a dialog that says what and how much before anything is done. Who may not do it sees why.
 */
import { useSignal } from "@preact/signals"
import type { ComponentChildren } from "preact"
import { ask, type Problem, type Request } from "../data/client.ts"
import { whyNot } from "../data/sender.ts"
import { Dialog } from "./Dialog.tsx"
import { Text } from "./Names.tsx"

/** A refusal in a dialog. What has changed since it was looked at is said in the API's own words. */
const Refusal = ({ problem }: { readonly problem: Problem }) => {
  const { change } = problem.fields
  return (
    <div class="failure" role="alert">
      <p class="what">{problem.type === "not-as-seen" ? "It has changed since you looked" : problem.title}</p>
      <p>
        <Text>
          {problem.type === "not-as-seen" && typeof change === "string" ? `${change}.` : problem.detail ?? ""}
        </Text>
      </p>
      {problem.type === "not-as-seen" ? <p>Nothing was done. Close this, and look again.</p> : null}
    </div>
  )
}

const missing: Problem = {
  status: 0,
  type: "missing",
  title: "Something is missing",
  detail: "Fill in what is chosen above.",
  fields: {}
}

interface Props<A> {
  /** What the button says. */
  readonly label: string
  /** What the dialog is called. */
  readonly title: string
  /** What is done, and to how much. */
  readonly children: ComponentChildren
  /** Whether a reason is asked for. Where something is given up, it is required. */
  readonly reason?: "required" | "optional"
  /** What must be typed before it is done. */
  readonly word?: string
  /** More fields of the form. */
  readonly fields?: ComponentChildren
  /** What is sent; nothing when the fields are not filled in. */
  readonly send: (form: FormData, reason: string | undefined) => Request<A> | undefined
  /** It is done. */
  readonly onDone: (answer: A) => void
  /** It was refused, because it has changed. */
  readonly onChanged: () => void
  readonly keys?: string
}

function Form<A>(
  { children, fields, label, onChanged, onClose, onDone, reason, send, title, word }: Props<A> & {
    readonly onClose: () => void
  }
) {
  const problem = useSignal<Problem | undefined>(undefined)
  const isSending = useSignal(false)
  const typed = useSignal("")
  const why = useSignal("")
  const isReady = (word === undefined || typed.value === word) && (reason !== "required" || why.value.trim() !== "") &&
    !isSending.value
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const request = send(new FormData(form), why.value.trim() === "" ? undefined : why.value.trim())
    if (request === undefined) {
      problem.value = missing
      return
    }
    isSending.value = true
    const result = await ask(request)
    isSending.value = false
    if (result === undefined) return
    if (result._tag === "Failed") {
      problem.value = result.problem
      if (result.problem.type === "not-as-seen") onChanged()
      return
    }
    form.closest("dialog")?.close()
    onDone(result.value)
  }
  return (
    <Dialog label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (isReady) void submit(event.currentTarget)
        }}
      >
        {fields}
        {reason === undefined ? null : (
          <label>
            {reason === "required" ? "Why, for the record" : "Why, for the record (may be left out)"}
            <input
              name="reason"
              value={why.value}
              autocomplete="off"
              required={reason === "required"}
              onInput={(event) => {
                why.value = event.currentTarget.value
              }}
            />
          </label>
        )}
        {word === undefined ? null : (
          <label>
            <span>
              Type{" "}
              <code>
                <Text>{word}</Text>
              </code>{" "}
              to go on
            </span>
            <input
              name="word"
              value={typed.value}
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => {
                typed.value = event.currentTarget.value
              }}
            />
          </label>
        )}
        {problem.value === undefined ? null : <Refusal problem={problem.value} />}
        <div class="buttons">
          <button type="button" autofocus onClick={(event) => event.currentTarget.closest("dialog")?.close()}>
            Cancel
          </button>
          <button type="submit" class="first" disabled={!isReady || problem.value?.type === "not-as-seen"}>
            {isSending.value ? "Doing it" : label}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

export function Action<A>(props: Props<A>) {
  const isOpen = useSignal(false)
  const why = whyNot.value
  if (why !== undefined) return <span class="action-off" title={why}>{props.label}</span>
  return (
    <>
      <button
        type="button"
        class="small"
        aria-haspopup="dialog"
        {...(props.keys === undefined ? {} : { "aria-keyshortcuts": props.keys })}
        onClick={() => {
          isOpen.value = true
        }}
      >
        {props.label}…
      </button>
      {isOpen.value
        ? (
          <Form
            {...props}
            onClose={() => {
              isOpen.value = false
            }}
          />
        )
        : null}
    </>
  )
}

/** Says once in a view why nothing can be done in it. */
export const WhyNot = () => whyNot.value === undefined ? null : <p class="note">{sentence(whyNot.value)}</p>

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
