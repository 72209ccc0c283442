/**
 * The entities that the program of the server has loaded, and the way to one of them.
 */
import { useAnswer } from "../data/answers.ts"
import { get, pathOf } from "../data/client.ts"
import { categoryOf, Mark, number, Text } from "../parts/Names.tsx"
import { OpenById } from "../parts/OpenById.tsx"
import { Empty, Loaded, NotLoaded } from "../parts/States.tsx"
import { View } from "../parts/View.tsx"
import type { Params } from "./routes.ts"
import { LastCells } from "./Streams.tsx"

/** Goes to the state of one entity by its id. */
const Open = ({ category, entity }: { readonly category: string; readonly entity: string }) => (
  <OpenById
    label={
      <span class="mono">
        <Text>{`${category}-`}</Text>
      </span>
    }
    name={`Id of ${entity}`}
    to={(id) => pathOf("/entities/:entity/:id", { entity, id })}
  />
)

/** The id of a stream in its category. */
const idOf = (streamName: string, category: string): string => streamName.slice(category.length + 1)

/** Links to the states of a stream, by the entities of its category that are loaded. */
export const StateLinks = ({ streamName }: { readonly streamName: string }) => {
  const category = categoryOf(streamName)
  const load = useAnswer(get("/entities"))
  const own = load.value?.entities.filter((one) => one.category === category) ?? []
  return (
    <>
      {own.map(({ entity }, index) => (
        <a
          key={entity}
          class="button"
          href={pathOf("/entities/:entity/:id", { entity, id: idOf(streamName, category) })}
          {...(index === 0 ? { "aria-keyshortcuts": "a", "data-does": "to its state" } : {})}
        >
          {own.length === 1 ? "State" : (
            <>
              State as <Text>{entity}</Text>
            </>
          )}
        </a>
      ))}
    </>
  )
}

/** The entities of one kind that changed last. */
export const EntitiesOf = ({ params: { entity = "" } }: { readonly params: Params }) => {
  const known = useAnswer(get("/entities"))
  const category = known.value?.entities.find((one) => one.entity === entity)?.category
  const load = useAnswer(
    category === undefined
      ? undefined
      : get("/categories/:category/changed", { params: { category }, query: { limit: 50 } })
  )
  return (
    <View
      title={entity}
      heading={<Text>{entity}</Text>}
      facts={category === undefined ? undefined : <Text>{category}</Text>}
    >
      <section class="panel" aria-label="Changed last">
        <div class="title">
          <h2>Changed last</h2>
          {category === undefined ? <span /> : <Open entity={entity} category={category} />}
        </div>
        {category === undefined
          ? <Loaded load={known}>{() => <Empty title="No such entity is loaded here" />}</Loaded>
          : (
            <Loaded load={load}>
              {({ isComplete, streams }) =>
                streams.length === 0
                  ? <Empty title="There are none yet">The category has no messages.</Empty>
                  : (
                    <>
                      <div class="scroll">
                        <table>
                          <thead>
                            <tr>
                              <th scope="col">Id</th>
                              <th scope="col" class="num">Version</th>
                              <th scope="col">Last event</th>
                              <th scope="col" class="num">Position</th>
                              <th scope="col">Written</th>
                            </tr>
                          </thead>
                          <tbody>
                            {streams.map(({ last, streamName, version }) => (
                              <tr key={streamName}>
                                <th scope="row">
                                  <a
                                    class="name"
                                    data-row
                                    href={pathOf("/entities/:entity/:id", { entity, id: idOf(streamName, category) })}
                                  >
                                    <Text>{idOf(streamName, category)}</Text>
                                  </a>
                                </th>
                                <td class="num">{number(version)}</td>
                                <LastCells last={last} />
                              </tr>
                            ))}
                          </tbody>
                        </table>
                      </div>
                      {isComplete
                        ? null
                        : (
                          <p class="note">
                            Others changed before: open them by their ids, or look at the streams by name.
                          </p>
                        )}
                    </>
                  )}
            </Loaded>
          )}
      </section>
    </View>
  )
}

export const Entities = () => {
  const load = useAnswer(get("/entities"))
  return (
    <View title="Entities">
      <section class="panel" aria-label="Entities">
        <Loaded load={load}>
          {({ entities }) =>
            entities.length === 0
              ? <NotLoaded things="entities" />
              : (
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Entity</th>
                        <th scope="col">Category</th>
                        <th scope="col" class="narrow-gone">Commands</th>
                        <th scope="col">State of</th>
                      </tr>
                    </thead>
                    <tbody>
                      {entities.map(({ category, commands, entity }) => (
                        <tr key={entity}>
                          <th scope="row">
                            <a class="type" data-row href={pathOf("/entities/:entity", { entity })}>
                              <Text>{entity}</Text>
                            </a>
                          </th>
                          <td>
                            <a class="name" href={pathOf("/streams", {}, { category })}>
                              <Mark category={category} />
                              <Text>{category}</Text>
                            </a>
                          </td>
                          <td class="dim narrow-gone">
                            <Text>{commands.join(", ")}</Text>
                          </td>
                          <td>
                            <Open entity={entity} category={category} />
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
              )}
        </Loaded>
      </section>
    </View>
  )
}
