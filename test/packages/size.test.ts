/**
 * The core does not grow unnoticed. When it has to grow, put the new size here, and into docs/performance.md.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { bundled, core, hello } from "./Sizes.ts"

/** Bytes of the core, without effect, minified and compressed by brotli. */
const recorded = { core: 80_964, hello: 32_213 }

const within = (size: number, before: number, what: string) => {
  assert.isAtMost(
    size,
    Math.round(before * 1.05),
    `${what} has grown by more than 5 %, from ${before} to ${size} bytes`
  )
  // So that a core that has become smaller does not leave room to grow again unnoticed.
  assert.isAtLeast(size, Math.round(before * 0.9), `${what} is smaller, ${size} bytes instead of ${before}: record it`)
}

it.effect("the core grows by 5 % at most", () =>
  Effect.gen(function*() {
    const size = yield* Effect.promise(() => bundled(core, { effect: false }))
    within(size.brotli, recorded.core, "the core")
  }))

it.effect("so does what a small program takes of it", () =>
  Effect.gen(function*() {
    const size = yield* Effect.promise(() => bundled(hello, { effect: false }))
    within(size.brotli, recorded.hello, "what a small program takes")
  }))
