import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidArgument } from "../../StoreError.ts"

const kinds = ["category", "entity", "commands", "consumer", "process", "read model"] as const

/**
 * The kinds of definitions. `commands` are those of one entity.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = typeof kinds[number]

/**
 * This program has not loaded the definition that an answer needs: it is not among those that `Observe.layer` was given. Another
 * program may have it.
 *
 * @category errors
 * @since 0.1.0
 */
export class DefinitionNotLoaded extends Schema.TaggedError<DefinitionNotLoaded>()("DefinitionNotLoaded", {
  kind: Schema.Literals(kinds),
  definition: Schema.String,
  /** The names of those that are loaded, of the same kind. */
  loaded: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const { definition, kind, loaded } = this
    const others = loaded.length === 0 ? "there is none of this kind" : `loaded are ${loaded.join(", ")}`
    const what = kind === "commands" ? "commands of" : kind
    return `definition not loaded here: the ${what} ${JSON.stringify(definition)}; ${others}`
  }
}

/** Definitions of one kind, by name. */
export interface Registry<A> {
  readonly names: ReadonlyArray<string>
  readonly all: ReadonlyArray<A>
  readonly get: (name: string) => Effect.Effect<A, DefinitionNotLoaded>
}

/** Fails when two definitions have one name: nobody could say which one is meant. */
export const make = Effect.fnUntraced(function*<A>(kind: Kind, entries: ReadonlyArray<readonly [string, A]>) {
  const byName = new Map<string, A>()
  for (const [name, definition] of entries) {
    if (byName.has(name)) {
      const expected = `one ${kind} of each name`
      return yield* new InvalidArgument({ argument: kind, value: JSON.stringify(name), expected })
    }
    byName.set(name, definition)
  }
  const names = [...byName.keys()]
  const registry: Registry<A> = {
    names,
    all: [...byName.values()],
    get: (name) => {
      const found = byName.get(name)
      return found === undefined
        ? Effect.fail(new DefinitionNotLoaded({ kind, definition: name, loaded: names }))
        : Effect.succeed(found)
    }
  }
  return registry
})
