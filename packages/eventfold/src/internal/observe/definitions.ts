import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Category from "../../Category.ts"
import * as Commands from "../../Commands.ts"
import type * as Entity from "../../Entity.ts"
import { InvalidArgument } from "../../StoreError.ts"
import { newestSchemaOf } from "../category/eventDefinition.ts"

/**
 * A category that a program has loaded.
 *
 * @category models
 * @since 0.1.0
 */
export interface CategoryDefinition {
  readonly category: string
  /** The types of its events, each with the newest schema of its data. */
  readonly events: ReadonlyArray<{
    readonly type: string
    readonly data: Schema.Codec<unknown, unknown, unknown, unknown>
  }>
}

/**
 * An entity that a program has loaded.
 *
 * @category models
 * @since 0.1.0
 */
export interface EntityDefinition {
  /** The name under which it is registered. */
  readonly entity: string
  readonly category: string
  readonly state: Schema.Codec<unknown, unknown>
  /** Empty when no commands are registered under its name. */
  readonly commands: ReadonlyArray<Commands.Description>
}

type Entities = Readonly<Record<string, Entity.Any>>

type Sets = Readonly<Record<string, Commands.Any>>

/** Fails unless each set of commands stands under the name of an entity of its category. */
export const checkCommands = (entities: Entities, commands: Sets) =>
  Effect.forEach(Object.entries(commands), ([name, set]) => {
    const { category } = Commands.describe(set)
    const entity = Object.hasOwn(entities, name) ? entities[name] : undefined
    if (entity?.category.categoryName === category) return Effect.void
    const expected = entity === undefined
      ? `one of the entities: ${Object.keys(entities).join(", ") || "there is none"}`
      : `the name of an entity of ${category}, of which its commands are, and not of ${entity.category.categoryName}`
    return Effect.fail(new InvalidArgument({ argument: "commands", value: JSON.stringify(name), expected }))
  }, { discard: true })

export const describe = (categories: ReadonlyArray<Category.Any>, entities: Entities, commands: Sets) => ({
  categories: categories.map(({ Events, categoryName }): CategoryDefinition => ({
    category: categoryName,
    events: Object.entries(Events).map(([type, definition]) => ({ type, data: newestSchemaOf(definition) }))
  })),
  entities: Object.entries(entities).map(([entity, { category, state }]): EntityDefinition => {
    const set = Object.hasOwn(commands, entity) ? commands[entity] : undefined
    return {
      entity,
      category: category.categoryName,
      state,
      commands: set === undefined ? [] : Commands.describe(set).commands
    }
  })
})
