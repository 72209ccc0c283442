import * as Effect from "effect/Effect"
import type { Build } from "../../ReadModelStore.ts"
import { InvalidArgument } from "../../StoreError.ts"
import { checkTimeout } from "../processor/timeLimit.ts"
import { checkInt } from "../store/argumentChecks.ts"
import type { BuildOptions, ReadModel } from "./definition.ts"
import { ReadModelChanged } from "./errors.ts"
import { everything } from "./fromHandlers.ts"

/** Short enough that the longer names that stores make from it fit into 63 bytes. */
const namePattern = /^[a-z][a-z0-9_]{0,49}$/

const refuse = (argument: string, value: string, expected: string) =>
  Effect.fail(new InvalidArgument({ argument, value, expected }))

export const checkBuildOptions = ({ throttle }: BuildOptions) =>
  throttle === undefined || (Number.isFinite(throttle) && throttle > 0)
    ? Effect.void
    : refuse("throttle", String(throttle), "a number of messages per second above 0")

export const checkDefinition = Effect.fnUntraced(
  function*({ atOnce, name, options, sources, version }: ReadModel<unknown, unknown>) {
    if (!namePattern.test(name)) {
      return yield* refuse(
        "name",
        JSON.stringify(name),
        "1 to 50 lower-case letters, digits and _, starting with a letter"
      )
    }
    yield* checkInt("version", version, 1)
    yield* checkInt("atOnce", atOnce, 1)
    yield* checkInt("batchSize", options.batchSize, 1)
    yield* checkTimeout(options.timeout)
    yield* checkBuildOptions(options.build ?? {})
    const twice = sources.find((source, index) => sources.indexOf(source) !== index)
    if (twice !== undefined) {
      return yield* refuse("sources", twice, "given once: handle all its events in one place")
    }
    if (sources.length === 0) return yield* refuse("sources", "none", "at least one: add one with .on")
    if (sources.length > 1 && sources.includes(everything)) {
      return yield* refuse("sources", sources.join(", "), "either categories, or everything and nothing beside it")
    }
  }
)

/** Refuses a build that another definition of the same version has filled. */
export const checkFingerprint = (
  { fingerprint: given, name: readModel, version }: ReadModel<unknown, unknown>,
  { fingerprint: recorded, version: filledBy }: Build
) =>
  filledBy !== version || recorded === given
    ? Effect.void
    : Effect.fail(new ReadModelChanged({ readModel, version, recorded, given }))
