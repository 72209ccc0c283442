/**
 * The one search box. It says what it takes the text for while one types, and goes there with Enter.
 */
import { useSignal } from "@preact/signals"
import { useId, useRef } from "preact/hooks"
import { go } from "../data/address.ts"
import { meanings } from "../data/meanings.ts"

export const Search = () => {
  const text = useSignal("")
  const chosen = useSignal(0)
  const isOpen = useSignal(false)
  const list = useId()
  const box = useRef<HTMLInputElement>(null)
  const found = meanings(text.value)
  const isShown = isOpen.value && found.length > 0
  const open = (to: string) => {
    text.value = ""
    isOpen.value = false
    box.current?.blur()
    go(to)
  }
  return (
    <search>
      <input
        ref={box}
        type="text"
        inputMode="search"
        role="combobox"
        aria-label="Go to a stream, position, id or correlation"
        aria-keyshortcuts="/"
        data-does="search"
        aria-expanded={isShown}
        aria-controls={list}
        aria-autocomplete="list"
        {...(isShown ? { "aria-activedescendant": `${list}-${chosen.value}` } : {})}
        placeholder="stream, #position, id …"
        autocomplete="off"
        spellcheck={false}
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value
          chosen.value = 0
          isOpen.value = true
        }}
        onFocus={() => {
          isOpen.value = true
        }}
        onBlur={() => {
          isOpen.value = false
        }}
        onKeyDown={(event) => {
          const { key } = event
          if (key === "Enter") {
            const meaning = found[chosen.value]
            if (meaning !== undefined) open(meaning.to)
          } else if ((key === "ArrowDown" || key === "ArrowUp") && found.length > 0) {
            chosen.value = (chosen.value + (key === "ArrowDown" ? 1 : -1) + found.length) % found.length
            event.preventDefault()
          }
        }}
      />
      <kbd aria-hidden="true">/</kbd>
      <div role="listbox" id={list} aria-label="What it may mean" class="meanings" hidden={!isShown}>
        {found.map(({ says, to }, index) => (
          <div
            key={to}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === chosen.value}
            onMouseDown={(event) => {
              event.preventDefault()
              open(to)
            }}
          >
            {says}
          </div>
        ))}
      </div>
    </search>
  )
}
