/**
 * All messages: as they come, or from a global position on.
 */
import { useEffect } from "preact/hooks"
import { address, go, hrefQuery, numberOf } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import { get, pathOf } from "../data/client.ts"
import { HeldBackNote } from "../parts/HeldBack.tsx"
import { number } from "../parts/Names.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { View } from "../parts/View.tsx"
import { Filters, filters, Head, Rows } from "./MessageRows.tsx"
import { Tail } from "./Tail.tsx"

const pageSize = 100

const Order = ({ isLive }: { readonly isLive: boolean }) => (
  <div class="tabs" role="group" aria-label="Which messages">
    <a href={hrefQuery({ from: undefined })} {...(isLive ? { "aria-current": "true" as const } : {})}>as they come</a>
    <a href={hrefQuery({ from: 1 })} {...(isLive ? {} : { "aria-current": "true" as const })}>from the first</a>
  </div>
)

const Log = ({ from }: { readonly from: number }) => {
  const load = useAnswer(get("/messages", { query: { from, limit: pageSize, ...filters() } }))
  const earlier = Math.max(1, from - pageSize)
  return (
    <section class="panel" aria-label="Messages">
      <div class="title">
        <Filters />
        <Order isLive={false} />
      </div>
      <Loaded load={load} lines={16}>
        {({ hasMore, heldBack, messages, through }) => (
          <>
            <HeldBackNote at={heldBack} />
            {messages.length === 0
              ? (
                <Empty
                  title={hasMore ? `None from #${number(from)} to #${number(through)}` : "No messages from here on"}
                >
                  {hasMore
                    ? "Look further."
                    : "They are here when they are written; the live view shows them as they come."}
                </Empty>
              )
              : (
                <div class="scroll">
                  <table>
                    <Head />
                    <tbody>
                      <Rows messages={messages} />
                    </tbody>
                  </table>
                </div>
              )}
            <nav class="foot" aria-label="Pages">
              {from <= 1 ?
                <span class="dim">the first</span> :
                (
                  <a class="button small" aria-keyshortcuts="p" href={hrefQuery({ from: earlier })}>
                    From #{number(earlier)}
                  </a>
                )}
              {hasMore
                ? (
                  <a class="button small grow" aria-keyshortcuts="n" href={hrefQuery({ from: through + 1 })}>
                    From #{number(through + 1)}
                  </a>
                )
                : <a class="grow" href={hrefQuery({ from: undefined })}>the newest: follow them</a>}
            </nav>
          </>
        )}
      </Loaded>
    </section>
  )
}

/** Goes to the message with an id. */
const ById = ({ id }: { readonly id: string }) => {
  const load = useAnswer(get("/messages/ids/:messageId", { params: { messageId: id } }))
  const found = load.value?.globalPosition
  useEffect(() => {
    if (found !== undefined) go(pathOf("/messages/:position", { position: found }), { replace: true })
  }, [found])
  return (
    <View title="Message by its id">
      <section class="panel">
        {load.problem?.type === "message-not-found"
          ? (
            <Empty title={`No message has the id ${id}`}>
              It was never written, it was deleted, or you may not read it.
            </Empty>
          )
          : <Loaded load={load}>{() => null}</Loaded>}
      </section>
    </View>
  )
}

export const Messages = () => {
  const id = address.value.query.get("id")
  const from = numberOf("from", 1)
  if (id !== null) return <ById id={id} />
  return (
    <View title="Messages">
      {from === undefined
        ? <Tail key={JSON.stringify(filters())} filters={<Filters />} order={<Order isLive />} />
        : <Log from={from} />}
    </View>
  )
}
