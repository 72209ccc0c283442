/**
 * The entities that the program of the server has loaded, and the way to one of them.
 */
import { go } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import { get, pathOf } from "../data/client.ts"
import { Mark, Text } from "../parts/Names.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { View } from "../parts/View.tsx"

/** Goes to the state of one entity by its id. */
const Open = ({ category, entity }: { readonly category: string; readonly entity: string }) => (
  <form
    class="filters"
    onSubmit={(event) => {
      event.preventDefault()
      const id = new FormData(event.currentTarget).get("id")
      if (typeof id === "string" && id !== "") go(pathOf("/entities/:entity/:id", { entity, id }))
    }}
  >
    <label>
      <span class="mono">
        <Text>{`${category}-`}</Text>
      </span>
      <input
        class="mono"
        name="id"
        autocomplete="off"
        spellcheck={false}
        placeholder="id"
        aria-label={`Id of ${entity}`}
        data-row
      />
    </label>
    <button type="submit">Open</button>
  </form>
)

export const Entities = () => {
  const load = useAnswer(get("/entities"))
  return (
    <View title="Entities">
      <section class="panel" aria-label="Entities">
        <Loaded load={load}>
          {({ entities }) =>
            entities.length === 0
              ? (
                <Empty title="No entities are loaded here">
                  Serve the page from a program that registers them with Observe.layer.
                </Empty>
              )
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
                          <th scope="row" class="type">
                            <Text>{entity}</Text>
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
