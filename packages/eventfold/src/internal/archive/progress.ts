import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/**
 * How far an export or import has come, after each chunk.
 *
 * @category models
 * @since 0.1.0
 */
export interface Progress {
  /** Messages so far, those of interrupted runs before as well. */
  readonly messages: number
  /** Streams with attributes so far. */
  readonly streams: number
  /** Bytes of the archive so far, after compression. */
  readonly bytes: number
  /** Since this run began. */
  readonly elapsed: Duration.Duration
  /** Messages a second, in this run. */
  readonly rate: number
  /**
   * The part that is done, from 0 to 1, by global positions or by the size of the file; none when neither is known. It is an
   * estimate: positions have gaps.
   */
  readonly done: Option.Option<number>
  /** How long the rest may take, at the speed of this run; none when the part that is done is not known. */
  readonly remaining: Option.Option<Duration.Duration>
}

/** What is counted. */
export interface Count {
  readonly messages: number
  readonly streams: number
  readonly bytes: number
  readonly done: number | undefined
}

/** Makes progress of counts. `begun` is what earlier runs had done. */
export const make = (begun: Count) =>
  Effect.map(
    Clock.currentTimeMillis,
    (start) => ({ bytes, done, messages, streams }: Count) =>
      Effect.map(Clock.currentTimeMillis, (now): Progress => {
        const millis = now - start
        const ofRun = (done ?? 0) - (begun.done ?? 0)
        return {
          messages,
          streams,
          bytes,
          elapsed: Duration.millis(millis),
          rate: millis === 0 ? 0 : (messages - begun.messages) / millis * 1_000,
          done: Option.fromUndefinedOr(done),
          remaining: done === undefined || ofRun <= 0
            ? Option.none()
            : Option.some(Duration.millis(millis / ofRun * (1 - done)))
        }
      })
  )
