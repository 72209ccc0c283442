/**
 * Streams with attributes, as Messagestore's routes serve them: a list by id, and one with its messages by their times.
 */
import { address, hrefQuery, numberOf } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get, pathOf } from "../data/client.ts"
import { JsonLine, JsonView } from "../parts/JsonView.tsx"
import { counted, number, PositionLink, Text } from "../parts/Names.tsx"
import { Pages } from "../parts/Pages.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { At } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"
import type { Params } from "./routes.ts"

const pageSize = 50

const Streams = ({ objects }: Pick<Answer<"GET", "/messagestore/streams">, "objects">) => (
  <div class="scroll">
    <table>
      <thead>
        <tr>
          <th scope="col">Stream</th>
          <th scope="col">Attributes</th>
        </tr>
      </thead>
      <tbody>
        {objects.map(({ attrs, id }) => (
          <tr key={id}>
            <th scope="row">
              <a class="name" data-row href={pathOf("/attributes/:id", { id })}>
                <Text>{id}</Text>
              </a>
            </th>
            <td class="wide">
              <JsonLine value={attrs} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

/** All streams with attributes. */
export const WithAttributes = () => {
  const after = address.value.query.get("after") ?? undefined
  const load = useAnswer(get("/messagestore/streams", { query: { after, limit: pageSize } }))
  return (
    <View
      title="Streams with attributes"
      facts={load.value === undefined ? null : <span>{counted(load.value.count, "stream")}</span>}
      actions={<a class="button" href={pathOf("/streams")}>All streams</a>}
    >
      <section class="panel" aria-label="Streams with attributes">
        {load.problem?.type === "route-not-found"
          ? <Empty title="This server leaves them out">Its option messagestore is false.</Empty>
          : (
            <Loaded load={load}>
              {({ objects }) => (
                <>
                  {objects.length === 0
                    ? (
                      <Empty title="No streams">
                        {after === undefined
                          ? "Streams are added with POST /messagestore/streams."
                          : "None comes after."}
                      </Empty>
                    )
                    : <Streams objects={objects} />}
                  <Pages after={after} next={objects.length < pageSize ? undefined : objects.at(-1)?.id} />
                </>
              )}
            </Loaded>
          )}
      </section>
    </View>
  )
}

const Messages = ({ id }: { readonly id: string }) => {
  const isOldest = address.value.query.get("sort") === "at"
  const base = numberOf("base") ?? 0
  const load = useAnswer(get("/messagestore/streams/:id/messages", {
    params: { id },
    query: { base, limit: pageSize, sort: isOldest ? "at" : "-at" }
  }))
  return (
    <section class="panel" aria-label="Messages">
      <div class="title">
        <h2>Messages</h2>
        <div class="tabs" role="group" aria-label="Order">
          <a
            href={hrefQuery({ sort: undefined, base: undefined })}
            {...(isOldest ? {} : { "aria-current": "true" as const })}
          >
            newest first
          </a>
          <a
            href={hrefQuery({ sort: "at", base: undefined })}
            {...(isOldest ? { "aria-current": "true" as const } : {})}
          >
            oldest first
          </a>
        </div>
      </div>
      <Loaded load={load}>
        {({ count, objects }) => (
          <>
            <p class="note">{counted(count, "message")}, by the times that were given for them</p>
            {objects.length === 0 ?
              <Empty title="No messages">{base === 0 ? "It has none." : "It has no more."}</Empty> :
              (
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">At, in UTC</th>
                        <th scope="col" class="num">Position</th>
                        <th scope="col">Type</th>
                        <th scope="col">Data</th>
                      </tr>
                    </thead>
                    <tbody>
                      {objects.map(({ at, data, globalPosition, id, type }) => (
                        <tr key={id}>
                          <td class="fit">
                            <At inColumn time={at} />
                          </td>
                          <th scope="row" class="num">
                            <PositionLink isRow position={globalPosition} />
                          </th>
                          <td class="type clip">
                            <Text>{type}</Text>
                          </td>
                          <td class="wide">
                            <JsonLine value={data} />
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
              )}
            {count <= pageSize ? null : (
              <nav class="foot" aria-label="Pages">
                {base === 0 ? null : (
                  <a
                    class="button small"
                    aria-keyshortcuts="p"
                    href={hrefQuery({ base: base <= pageSize ? undefined : base - pageSize })}
                  >
                    Before
                  </a>
                )}
                <span class="dim">
                  {number(Math.min(base + 1, count))} to {number(Math.min(base + pageSize, count))}
                </span>
                {base + pageSize >= count ?
                  null :
                  (
                    <a class="button small grow" aria-keyshortcuts="n" href={hrefQuery({ base: base + pageSize })}>
                      Next
                    </a>
                  )}
              </nav>
            )}
          </>
        )}
      </Loaded>
    </section>
  )
}

/** One stream with attributes. */
export const OneWithAttributes = ({ params }: { readonly params: Params }) => {
  const id = params["id"] ?? ""
  const load = useAnswer(get("/messagestore/streams/:id", { params: { id } }))
  return (
    <View
      title={id}
      heading={<Text>{id}</Text>}
      facts={<a href={pathOf("/attributes")}>streams with attributes</a>}
    >
      <div class="stack">
        <section class="panel" aria-label="Attributes">
          <div class="title">
            <h2>Attributes</h2>
          </div>
          {load.problem?.status === 404
            ? <Empty title={`No stream has the id ${id}`}>It was never added, or was deleted.</Empty>
            : (
              <Loaded load={load} lines={3}>
                {(stream) =>
                  stream === false ? null : (
                    <div class="body">
                      <JsonView value={stream.attrs} />
                    </div>
                  )}
              </Loaded>
            )}
        </section>
        <Messages id={id} />
      </div>
    </View>
  )
}
