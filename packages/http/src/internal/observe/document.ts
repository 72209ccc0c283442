/**
 * Puts the schemas of the application into the OpenAPI document: a path of its own for each entity and each command, beside those
 * for any, and a component for the data of each event.
 */
import type * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import type { EntityDefinition, Observe } from "eventfold/Observe"

type Json = Schema.JsonObject

/** The parts of an operation that the application has a say in. */
interface Operation extends Json {
  readonly operationId: string
  readonly summary: string
  readonly parameters: ReadonlyArray<Json & { readonly name: string }>
  readonly responses: Readonly<Record<string, Json & { readonly content?: Readonly<Record<string, Json>> }>>
}

/** The parts of the document that the application has a say in. */
interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, Json>> }
  readonly paths: Readonly<Record<string, { readonly get?: Operation; readonly post?: Operation }>>
}

type AnySchema = EntityDefinition["state"] | EntityDefinition["commands"][number]["payload"]

const toKey = (name: string): string => name.replace(/[^\w.-]/g, "_")

/** The name of a definition in a reference to it. */
const referred = (reference: string): string =>
  decodeURIComponent(reference.slice("#/$defs/".length)).replaceAll("~1", "/").replaceAll("~0", "~")

const reference = (key: string): Json => ({ $ref: `#/components/schemas/${key}` })

/** Adds components to those of the document, under names that none of them has. */
const makeComponents = (existing: Readonly<Record<string, Json>>) => {
  const schemas = new Map(Object.entries(existing))
  const freeKey = (name: string): string => {
    const base = toKey(name)
    for (let key = base, count = 2;; key = `${base}_${count++}`) if (!schemas.has(key)) return key
  }
  /** Adds a schema with what it refers to, and gives a reference to it. */
  const add = (name: string, schema: AnySchema, options?: Schema.ToJsonSchemaOptions): Json => {
    const document = Schema.toJsonSchemaDocument(schema, options)
    const keys = new Map<string, string>()
    const claim = (name: string): string => {
      const key = freeKey(name)
      schemas.set(key, {})
      return key
    }
    const key = claim(name)
    for (const definition of Object.keys(document.definitions)) keys.set(definition, claim(`${name}.${definition}`))
    const placed = (json: unknown): Json =>
      JSON.parse(JSON.stringify(json), (property, value: unknown) => {
        if (property !== "$ref" || typeof value !== "string" || !value.startsWith("#/$defs/")) return value
        return `#/components/schemas/${keys.get(referred(value)) ?? key}`
      })
    schemas.set(key, placed(document.schema))
    for (const [definition, own] of keys) schemas.set(own, placed(document.definitions[definition]))
    return reference(key)
  }
  return { add, all: () => Object.fromEntries(schemas) }
}

/** An operation whose answer of a status has more to say of some of its fields. */
const narrowed = (operation: Operation, status: string, properties: Json | undefined): Operation => {
  const response = operation.responses[status]
  if (response === undefined || properties === undefined) return operation
  const content = Object.fromEntries(
    Object.entries(response.content ?? {}).map(([type, { schema = {}, ...media }]) => [
      type,
      { ...media, schema: { allOf: [schema, { type: "object", properties }] } }
    ])
  )
  return { ...operation, responses: { ...operation.responses, [status]: { ...response, content } } }
}

/** An operation for one of the names that a parameter of the path may have. */
const named = (operation: Operation, parameters: Readonly<Record<string, string>>): Operation => ({
  ...operation,
  operationId: [operation.operationId, ...Object.values(parameters)].join("."),
  summary: `${operation.summary}: ${Object.values(parameters).join(" ")}`,
  parameters: operation.parameters.filter(({ name }) => !Object.hasOwn(parameters, name))
})

const statePath = "/entities/{entity}/{id}"

const commandPath = "/entities/{entity}/{id}/commands/{command}"

const withApplication = ({ categories, entities }: Observe["Service"]["definitions"]) => (document: Document) => {
  const components = makeComponents(document.components.schemas)
  const paths = new Map(Object.entries(document.paths))
  const show = document.paths[statePath]?.get
  const run = document.paths[commandPath]?.post

  for (const { category, events } of categories) {
    for (const { data, type } of events) components.add(`${category}.events.${type}`, data)
  }
  for (const { commands, entity, state } of entities) {
    const path = `/entities/${encodeURIComponent(entity)}/{id}`
    const stateSchema = components.add(`${entity}.state`, state)
    if (show !== undefined) {
      const one = named(show, { entity })
      const compared = { anyOf: [{ type: "object", properties: { state: stateSchema } }, { type: "null" }] }
      paths.set(path, { get: narrowed(one, "200", { state: stateSchema, compared }) })
    }
    if (run === undefined) continue
    for (const { error, name, payload, success } of commands) {
      const one = named(run, { entity, command: name })
      const title = `${entity}.commands.${name}`
      // What the payload has beside its schema is refused.
      const body = components.add(`${title}.payload`, payload, { onExcessProperty: "error" })
      const reply = success && { reply: components.add(`${title}.reply`, success) }
      const refusal = error && { refusal: components.add(`${title}.refusal`, error) }
      const answered = narrowed(narrowed(narrowed(one, "200", reply), "201", reply), "409", refusal)
      const { 409: _, ...unrefused } = answered.responses
      const responses = refusal === undefined ? unrefused : answered.responses
      paths.set(`${path}/commands/${encodeURIComponent(name)}`, {
        post: {
          ...answered,
          requestBody: { required: true, content: { "application/json": { schema: body } } },
          responses
        }
      })
    }
  }
  return {
    ...document,
    components: { ...document.components, schemas: components.all() },
    paths: Object.fromEntries(paths)
  }
}

/** An API whose document has the schemas of the application. */
export const describing = <Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<"eventfold", Groups>,
  definitions: Observe["Service"]["definitions"]
): HttpApi.HttpApi<"eventfold", Groups> => {
  const transform = withApplication(definitions)
  // The document is that of this API, which has these parts.
  return api.annotateMerge(OpenApi.annotations({ transform: (document) => transform(document as Document) }))
}
