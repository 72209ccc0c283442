import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Category from "../../Category.ts"
import { isDeleted, type RecordedMessage } from "../../Message.ts"
import { newestSchemaOf } from "../category/eventDefinition.ts"
import { firstIssue } from "../category/jsonCodec.ts"
import { handledType } from "../category/messageCodec.ts"
import { thrown } from "../runtime/boundedJson.ts"
import type { DecodedMessage } from "./observedMessages.ts"

/** Why and where a message does not fit. */
export type Unfit = { readonly path: ReadonlyArray<string | number>; readonly reason: string }

/** What a category makes of a message; none when it is no event of it. An upcast or a schema that throws is a misfit too. */
export const decoded = (category: Category.Untyped, recorded: RecordedMessage) =>
  Effect.suspend(() => category.decode(recorded)).pipe(
    Effect.catchTag("DecodeError", ({ path, reason }) => Effect.fail<Unfit>({ path, reason })),
    Effect.catchDefect((defect) => Effect.fail<Unfit>({ path: [], reason: `decoding it throws: ${thrown(defect)}` }))
  )

const notLoaded: DecodedMessage = { isLoaded: false, isKnown: false, misfit: Option.none() }

const noEvent: DecodedMessage = { isLoaded: true, isKnown: false, misfit: Option.none() }

/** What a program makes of a message. */
export const decode = (category: Category.Untyped | undefined, recorded: RecordedMessage) => {
  if (category === undefined) return Effect.succeed(notLoaded)
  if (isDeleted(recorded) || recorded.type === handledType) return Effect.succeed(noEvent)
  const { globalPosition, position, streamName, type } = recorded
  const definition = Object.hasOwn(category.Events, type) ? category.Events[type] : undefined
  const isKnown = definition !== undefined
  return Effect.gen(function*() {
    const event = yield* decoded(category, recorded)
    if (definition === undefined || Option.isNone(event)) return noEvent
    const data = yield* Effect.mapError(
      Schema.encodeEffect(Schema.toCodecJson(newestSchemaOf(definition)))(event.value.data),
      (error): Unfit => firstIssue(error)
    )
    const found: DecodedMessage = { isLoaded: true, isKnown, data, misfit: Option.none() }
    return found
  }).pipe(
    Effect.catch((unfit) =>
      Effect.succeed<DecodedMessage>({
        isLoaded: true,
        isKnown,
        misfit: Option.some({ streamName, position, globalPosition, ...unfit })
      })
    )
  )
}
