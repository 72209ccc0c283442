/**
 * What lies in the store by type and version, against the schemas that the program has loaded.
 */
import { useSignal } from "@preact/signals"
import { useEffect } from "preact/hooks"
import { address, hrefQuery, numberOf } from "../data/address.ts"
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { ask, get, pathOf, post, type Problem } from "../data/client.ts"
import { Mark, number, PositionLink, Text } from "../parts/Names.tsx"
import { Empty, Failure, Loaded, Loading } from "../parts/States.tsx"
import { Ago } from "../parts/Time.tsx"
import { View } from "../parts/View.tsx"

type Checked = Answer<"POST", "/schemas/:category/check">
type Type = Checked["types"][number]

const Verdict = ({ type: { firstMisfit, isKnown, messages, misfits } }: { readonly type: Type }) => {
  if (firstMisfit === null) {
    return isKnown
      ? <span class="badge good">fits</span>
      : <span class="badge">unknown type</span>
  }
  return (
    <span class="fact">
      <span class="badge bad">{number(misfits)} of {number(messages)} don't fit</span>
      <span>
        <b class="mono">
          <Text>{firstMisfit.path.join(".")}</Text>
        </b>{" "}
        <Text>{firstMisfit.reason}</Text>
      </span>
      <span class="dim">
        first <PositionLink position={firstMisfit.globalPosition} />
      </span>
    </span>
  )
}

const Table = ({ checked }: { readonly checked: Checked }) => (
  <>
    {checked.types.length === 0
      ? <Empty title="No messages">The category has none, so none is wrong.</Empty>
      : (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Type</th>
                <th scope="col">Version</th>
                <th scope="col" class="num">Looked at</th>
                <th scope="col" class="num">First</th>
                <th scope="col" class="num">Last</th>
                <th scope="col" class="narrow-gone">Last written</th>
                <th scope="col">Against the schema</th>
              </tr>
            </thead>
            <tbody>
              {checked.types.map((type) => (
                <tr key={`${type.type} ${type.schemaVersion}`}>
                  <th scope="row" class="type">
                    <Text>{type.type}</Text>
                  </th>
                  <td>
                    {type.schemaVersion === null
                      ? <span class="dim">none, so 1</span>
                      : <Text>{type.schemaVersion}</Text>}
                  </td>
                  <td class="num">{number(type.messages)}</td>
                  <td class="num">
                    <PositionLink isRow position={type.first.globalPosition} />
                  </td>
                  <td class="num">
                    <PositionLink position={type.last.globalPosition} />
                  </td>
                  <td class="dim narrow-gone">
                    <Ago time={type.last.time} />
                  </td>
                  <td>
                    <Verdict type={type} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    <p class="note">
      {checked.isComplete
        ? `All ${number(checked.messages)} messages were decoded.`
        : `${number(checked.messages)} messages were decoded: the oldest and the newest.`}
    </p>
  </>
)

const samples = [100, 1_000] as const

/** A check decodes messages, so it is asked for by a POST, once for each choice. */
const Check = ({ category }: { readonly category: string }) => {
  const sample = numberOf("sample", 1) ?? samples[0]
  const checked = useSignal<Checked | undefined>(undefined)
  const problem = useSignal<Problem | undefined>(undefined)
  const round = useSignal(0)
  useEffect(() => {
    const controller = new AbortController()
    checked.value = undefined
    problem.value = undefined
    void ask(post("/schemas/:category/check", { params: { category }, query: { sample } }), controller.signal).then(
      (result) => {
        if (result?._tag === "Ok") checked.value = result.value
        if (result?._tag === "Failed") problem.value = result.problem
      }
    )
    return () => controller.abort()
  }, [category, sample, round.value, checked, problem])
  return (
    <section class="panel" aria-label={`Messages of ${category}`}>
      <div class="title">
        <h2>
          <Text>{category}</Text>
        </h2>
        <div class="tabs" role="group" aria-label="How many of the oldest and of the newest">
          {samples.map((one) => (
            <a
              key={one}
              href={hrefQuery({ sample: one === samples[0] ? undefined : one })}
              {...(sample === one ? { "aria-current": "true" as const } : {})}
            >
              {number(one)} at each end
            </a>
          ))}
        </div>
      </div>
      {problem.value === undefined
        ? checked.value === undefined ? <Loading lines={4} /> : <Table checked={checked.value} />
        : (
          <Failure
            problem={problem.value}
            retry={() => {
              round.value += 1
            }}
          />
        )}
    </section>
  )
}

export const Schemas = () => {
  const load = useAnswer(get("/schemas"))
  const chosen = address.value.query.get("category")
  const category = chosen ?? load.value?.schemas[0]?.category
  return (
    <View title="Schemas">
      <section class="panel" aria-label="Categories">
        <Loaded load={load} lines={3}>
          {({ schemas }) =>
            schemas.length === 0
              ? (
                <Empty title="No schemas are loaded here">
                  Serve the page from a program that registers its categories with Observe.layer.
                </Empty>
              )
              : (
                <div class="scroll">
                  <table>
                    <thead>
                      <tr>
                        <th scope="col">Category</th>
                        <th scope="col">Types that it names</th>
                      </tr>
                    </thead>
                    <tbody>
                      {schemas.map((one) => (
                        <tr
                          key={one.category}
                          {...(one.category === category ? { "aria-current": "true" as const } : {})}
                        >
                          <th scope="row">
                            <a class="name" data-row href={pathOf("/schemas", {}, { category: one.category })}>
                              <Mark category={one.category} />
                              <Text>{one.category}</Text>
                            </a>
                          </th>
                          <td class="dim">
                            <Text>{one.types.join(", ")}</Text>
                          </td>
                        </tr>
                      ))}
                    </tbody>
                  </table>
                </div>
              )}
        </Loaded>
      </section>
      {category === undefined ? null : <Check key={category} category={category} />}
    </View>
  )
}
