/**
 * What the store and the server are: identity, versions, sizes, indexes, privileges, and who looks.
 */
import { useAnswer } from "../data/answers.ts"
import type { Answer } from "../data/api.ts"
import { get } from "../data/client.ts"
import { about } from "../data/sender.ts"
import { counted, number, Text } from "../parts/Names.tsx"
import { Empty, Loaded } from "../parts/States.tsx"
import { View } from "../parts/View.tsx"
import { Verify } from "./Verify.tsx"

type Description = Answer<"GET", "/store">

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const

/** A size, in the unit in which it is below 1,024. */
const size = (bytes: number): string => {
  let [value, unit] = [bytes, 0]
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`
}

const Facts = ({ facts }: { readonly facts: ReadonlyArray<readonly [string, string | null | undefined]> }) => (
  <dl class="dl body">
    {facts.map(([name, value]) => (
      <>
        <dt key={`${name} name`}>{name}</dt>
        <dd key={name}>{value == null ? <span class="dim">not known</span> : <Text>{value}</Text>}</dd>
      </>
    ))}
  </dl>
)

const Identity = ({ store: { bytes, identity, isStandby, schemaVersion, serverVersion, system, user } }: {
  readonly store: Description
}) => (
  <section class="panel" aria-label="Store">
    <div class="title">
      <h2>Store</h2>
    </div>
    <Facts
      facts={[
        ["Kind", `${system}${serverVersion === null ? "" : ` ${serverVersion}`}${isStandby ? ", a standby" : ""}`],
        ["Schema eventfold", schemaVersion === null ? "not installed" : `version ${schemaVersion}`],
        ["Database", identity.databaseName],
        ["On disk", bytes === null ? null : size(bytes)],
        ["System", identity.system],
        ["Timeline", identity.timeline === undefined ? null : String(identity.timeline)],
        ["Role", user]
      ]}
    />
  </section>
)

const Server = () => {
  const known = about.value
  return (
    <section class="panel" aria-label="Server and sender">
      <div class="title">
        <h2>Server and sender</h2>
      </div>
      {known === undefined ? <div class="body dim">The server has not told.</div> : (
        <Facts
          facts={[
            ["@eventfold/http", known.version],
            ["Lets in", known.isOpen ? "everyone, with all scopes" : "who has a token, or is known otherwise"],
            ["You are", known.sender.name],
            ["Scopes", known.sender.scopes.join(", ")],
            ["Categories", known.sender.categories === null ? "all" : known.sender.categories.join(", ")]
          ]}
        />
      )}
    </section>
  )
}

const Relations = ({ store: { relations } }: { readonly store: Description }) => {
  const largest = Math.max(1, ...relations.map(({ bytes }) => bytes))
  const ordered = relations.toSorted((a, b) => b.bytes - a.bytes)
  return (
    <section class="panel" aria-label="Tables and indexes">
      <div class="title">
        <h2>Tables and indexes</h2>
      </div>
      {ordered.length === 0
        ? <Empty title="It has none that can be told of">Stores in a database have tables and indexes.</Empty>
        : (
          <div class="scroll">
            <table>
              <thead>
                <tr>
                  <th scope="col">Name</th>
                  <th scope="col">Kind</th>
                  <th scope="col" class="num">On disk</th>
                  <th scope="col" class="num">Rows, about</th>
                  <th scope="col" class="num">Used</th>
                  <th scope="col">State</th>
                </tr>
              </thead>
              <tbody>
                {ordered.map(({ bytes, isValid, kind, name, rows, scans, schema, table }) => (
                  <tr key={`${schema}.${name}`}>
                    <th scope="row" class="mono">
                      <span class="dim">{schema}.</span>
                      {name}
                    </th>
                    <td class="dim">{kind === "table" ? "table" : `index of ${table ?? "a table"}`}</td>
                    <td class="num">
                      {size(bytes)}{" "}
                      <span class="bar narrow-gone" aria-hidden="true">
                        <span style={{ width: `${Math.max(1, 100 * bytes / largest)}%` }} />
                      </span>
                    </td>
                    <td class="num">{rows === null ? "" : number(rows)}</td>
                    <td class="num">{scans === null ? "" : counted(scans, "time")}</td>
                    <td>
                      {isValid ? <span class="badge good">valid</span> : <span class="badge bad">can't be used</span>}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
    </section>
  )
}

const Privileges = ({ store: { privileges } }: { readonly store: Description }) => {
  const byObject = Map.groupBy(privileges, ({ on }) => on)
  return privileges.length === 0 ? null : (
    <section class="panel" aria-label="Privileges">
      <div class="title">
        <h2>What the server's role may do</h2>
      </div>
      <dl class="dl body">
        {[...byObject].map(([on, all]) => (
          <>
            <dt key={`${on} name`} class="mono">{on}</dt>
            <dd key={on} class="chips">
              {all.map(({ isGranted, privilege }) => (
                <span key={privilege} class={isGranted ? "badge good" : "badge"}>
                  {isGranted ? privilege : `no ${privilege}`}
                </span>
              ))}
            </dd>
          </>
        ))}
      </dl>
    </section>
  )
}

export const Store = () => {
  const load = useAnswer(get("/store"))
  return (
    <View title="Store">
      <div class="split">
        {load.value === undefined
          ? (
            <section class="panel">
              <Loaded load={load}>{() => null}</Loaded>
            </section>
          )
          : <Identity store={load.value} />}
        <Server />
      </div>
      {load.value === undefined ? null : (
        <>
          <Verify />
          <Relations store={load.value} />
          <Privileges store={load.value} />
        </>
      )}
    </View>
  )
}
