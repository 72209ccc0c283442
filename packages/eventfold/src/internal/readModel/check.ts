import * as Effect from "effect/Effect"
import type { Build } from "../../ReadModelStore.ts"
import { InvalidArgument } from "../../StoreError.ts"
import { checkInt } from "../store/argumentChecks.ts"
import { everything } from "./define.ts"
import type { BuildOptions, ReadModel } from "./definition.ts"
import { ReadModelChanged } from "./errors.ts"

/** As short as it is because stores make longer names of it, which have to fit as well. */
const namePattern = /^[a-z][a-z0-9_]{0,49}$/

const refuse = (argument: string, value: string, expected: string) =>
  Effect.fail(new InvalidArgument({ argument, value, expected }))

export const checkBuild = ({ throttle }: BuildOptions) =>
  throttle === undefined || (Number.isFinite(throttle) && throttle > 0)
    ? Effect.void
    : refuse("throttle", String(throttle), "a number of messages per second above 0")

export const check = Effect.fnUntraced(
  function*({ atOnce, name, options, sources, version }: ReadModel<unknown, unknown>) {
    if (!namePattern.test(name)) {
      return yield* refuse(
        "name",
        JSON.stringify(name),
        "a small letter, and then at most 49 small letters, digits and _"
      )
    }
    yield* checkInt("version", version, 1)
    yield* checkInt("atOnce", atOnce, 1)
    yield* checkInt("batchSize", options.batchSize, 1)
    yield* checkBuild(options.build ?? {})
    const twice = sources.find((source, index) => sources.indexOf(source) !== index)
    if (twice !== undefined) {
      return yield* refuse("sources", twice, "each source once: handle all its events in one place")
    }
    if (sources.length === 0) return yield* refuse("sources", "none", "one at least, which `on` adds")
    if (sources.length > 1 && sources.includes(everything)) {
      return yield* refuse("sources", sources.join(", "), "categories, or everything and nothing beside it")
    }
  }
)

/** Refuses a build of the same version that another definition has filled. */
export const checkFingerprint = (
  { fingerprint: given, name: readModel, version }: ReadModel<unknown, unknown>,
  { fingerprint: recorded, version: filledBy }: Build
) =>
  filledBy !== version || recorded === given
    ? Effect.void
    : Effect.fail(new ReadModelChanged({ readModel, version, recorded, given }))
