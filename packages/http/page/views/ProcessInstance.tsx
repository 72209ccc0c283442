/**
 * What a process of one id has done: its reactions, each with the message that it reacted to and all that it wrote.
 */
import { hrefQuery, numberOf } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf } from "../data/client.ts"
import { duration } from "../data/durations.ts"
import { JsonView } from "../parts/JsonView.tsx"
import { categoryOf, Mark, PositionLink, StreamLink, Text } from "../parts/Names.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { At } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"
import { Due } from "./Processes.tsx"
import type { Params } from "./routes.ts"

type History = Answer<"GET", "/processes/:process/instances/:id">
type Reaction = History["reactions"][number]
type Place = Reaction["events"][number]

const Written = ({ badge, place, words }: {
  readonly badge: string
  readonly place: Place
  readonly words?: string
}) => (
  <li class="fact">
    <span class="badge">{badge}</span>
    <a class="type" data-row href={pathOf("/messages/:position", { position: place.globalPosition })}>
      <Text>{words ?? place.type}</Text>
    </a>
    <StreamLink name={place.streamName} from={place.position} />
  </li>
)

const Reacted = ({ reaction: { deadlines, events, message, sent, trigger } }: { readonly reaction: Reaction }) => {
  const first = events[0] ?? sent[0] ?? deadlines[0]?.message
  const wait = message === null || first === undefined ? undefined : Date.parse(first.time) - Date.parse(message.time)
  return (
    <li>
      <p class="fact">
        {message === null
          ? trigger === null
            ? <span class="dim">Nothing that its metadata name</span>
            : (
              <span class="dim">
                A message that is gone, or not yours to read: <PositionLink position={trigger} />
              </span>
            )
          : (
            <>
              <StreamLink name={message.streamName} from={message.position} />
              <a class="type" data-row href={pathOf("/messages/:position", { position: message.globalPosition })}>
                <Text>{message.type}</Text>
              </a>
              <PositionLink position={message.globalPosition} />
              <span class="dim">
                <At time={message.time} />
              </span>
            </>
          )}
        {wait === undefined ? null : <span class="dim">{wait < 0 ? "clock?" : `reacted after ${duration(wait)}`}</span>}
      </p>
      <ul class="wrote" aria-label="What it wrote">
        {events.map((place) => <Written key={place.globalPosition} badge="event" place={place} />)}
        {sent.map((place) => <Written key={place.globalPosition} badge="sent" place={place} />)}
        {deadlines.map(({ due, message: place, name }) => (
          <li key={place.globalPosition} class="fact">
            <span class="badge">deadline</span>
            <a class="type" data-row href={pathOf("/messages/:position", { position: place.globalPosition })}>
              <Text>{name}</Text>
            </a>
            <span class="dim">
              due <At time={due} />
            </span>
          </li>
        ))}
      </ul>
    </li>
  )
}

/** Its state, where an entity of its category is loaded. */
const State = ({ category, id }: { readonly category: string; readonly id: string }) => {
  const entities = useAnswer(get("/entities"))
  const entity = entities.value?.entities.find((one) => one.category === category)?.entity
  const load = useAnswer(entity === undefined ? undefined : get("/entities/:entity/:id", { params: { entity, id } }))
  if (entity === undefined) return null
  return (
    <section class="panel" aria-label="State">
      <div class="title">
        <h2>State</h2>
        <a class="dim" href={pathOf("/entities/:entity/:id", { entity, id })}>its versions</a>
      </div>
      <Loaded load={load} lines={3}>
        {({ state }) => (
          <div class="body">
            <JsonView value={state} />
          </div>
        )}
      </Loaded>
    </section>
  )
}

const Pending = ({ id, process }: { readonly id: string; readonly process: string }) => {
  const load = useAnswer(get("/processes/:process/deadlines", { params: { process }, query: { id, limit: 100 } }))
  return (
    <section class="panel" aria-label="Pending deadlines">
      <div class="title">
        <h2>Waits for</h2>
      </div>
      <Loaded load={load} lines={2}>
        {({ deadlines }) =>
          deadlines.length === 0 ? <div class="body dim">no deadline</div> : (
            <div class="body">
              {deadlines.map(({ due, name, set }) => (
                <p key={set.globalPosition} class="fact">
                  <span class="type">
                    <Text>{name}</Text>
                  </span>
                  <Due time={due} />
                  <span class="dim">
                    set by <PositionLink position={set.globalPosition} />
                  </span>
                </p>
              ))}
            </div>
          )}
      </Loaded>
    </section>
  )
}

export const ProcessInstance = ({ params: { id = "", process = "" } }: { readonly params: Params }) => {
  const before = numberOf("before")
  const load = useAnswer(get("/processes/:process/instances/:id", { params: { process, id }, query: { before } }))
  const streamName = load.value?.streamName
  return (
    <View
      title={`${process} ${id}`}
      heading={
        <>
          <Mark category={process} />
          <Text>{process}</Text> <Text>{id}</Text>
        </>
      }
      facts={streamName === undefined ? undefined : (
        <span>
          <StreamLink name={streamName} keys="s" />
        </span>
      )}
    >
      <div class="split">
        <Pending process={process} id={id} />
        {streamName === undefined ? null : <State category={categoryOf(streamName)} id={id} />}
      </div>
      <section class="panel" aria-label="Reactions">
        <div class="title">
          <h2>Reactions, the newest first</h2>
        </div>
        <Loaded load={load}>
          {({ isComplete, next, reactions }) => (
            <>
              {reactions.length === 0
                ? (
                  <Empty title="It has done nothing">
                    No message is in its stream{before === undefined ? "" : " before this"}.
                  </Empty>
                )
                : (
                  <ol class="reactions">
                    {reactions.map((reaction, index) => (
                      <Reacted
                        key={reaction.trigger ?? -index}
                        reaction={reaction}
                      />
                    ))}
                  </ol>
                )}
              {isComplete ? null : (
                <p class="note">
                  What it sent may be more: the store has no index for traces, and looked through a window of the log.
                </p>
              )}
              {before === undefined && next === null ? null : (
                <div class="foot">
                  {before === undefined
                    ? null
                    : <a class="button small" href={hrefQuery({ before: undefined })}>Newest</a>}
                  {next === null
                    ? <span class="dim">the beginning</span>
                    : <a class="button small grow" aria-keyshortcuts="n" href={hrefQuery({ before: next })}>Older</a>}
                </div>
              )}
            </>
          )}
        </Loaded>
      </section>
    </View>
  )
}
