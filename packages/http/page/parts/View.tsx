/**
 * The outline of a view: its heading, what belongs to it, and its body.
 */
import type { ComponentChildren } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { address } from "../data/address.ts"

interface Props {
  /** What the window is called. */
  readonly title: string
  /** The heading, where it is more than the title. */
  readonly heading?: ComponentChildren
  /** Numbers and words beside the heading. */
  readonly facts?: ComponentChildren
  /** Links and buttons at the end of the heading's line. */
  readonly actions?: ComponentChildren
  readonly children: ComponentChildren
}

/** Nothing was looked at before the first view, which leaves the focus where the browser has it. */
let isFirst = true

/** A view. When one comes to it, its heading has the focus, so that a screen reader says where one is. */
export const View = ({ actions, children, facts, heading, title }: Props) => {
  const top = useRef<HTMLHeadingElement>(null)
  const path = address.value.segments.join("/")
  useEffect(() => {
    document.title = `${title} · eventfold`
  }, [title])
  useEffect(() => {
    // Whoever types already, or is in a dialog, goes on there.
    const isBusy = (document.activeElement?.closest("input, textarea, select, dialog") ?? null) !== null
    if (!isFirst && !isBusy) top.current?.focus({ preventScroll: true })
    isFirst = false
  }, [path])
  return (
    <>
      <div class="head">
        <h1 ref={top} tabIndex={-1}>{heading ?? title}</h1>
        {facts === undefined ? null : <div class="facts">{facts}</div>}
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </div>
      {children}
    </>
  )
}
