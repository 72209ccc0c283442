import * as Duration from "effect/Duration"

/**
 * How long a reader that has caught up waits for a wake-up before it polls the store.
 *
 * @since 0.1.0
 * @category options
 */
export interface PollOptions {
  /** The pause after the reader has found something new. Defaults to 100 milliseconds. */
  readonly min?: Duration.Input | undefined
  /**
   * The longest pause: each poll that finds nothing doubles the pause up to here. Defaults to 5 seconds. From 5 seconds on, and with
   * eight readers of single categories in a program, one look every 5 seconds takes the place of their polls, where the store has it.
   */
  readonly max?: Duration.Input | undefined
}

/** The pauses of a reader that polls. */
export interface PollPause {
  /** The pause before the next poll, in milliseconds: the shortest after news, otherwise twice the previous one. */
  readonly next: (hasNews: boolean) => number
}

export const make = ({ max = "5 seconds", min = "100 millis" }: PollOptions = {}): PollPause => {
  const shortest = Duration.toMillis(min)
  const longest = Duration.toMillis(max)
  let pause = shortest
  return {
    next: (hasNews) => {
      pause = hasNews ? shortest : Math.min(pause * 2, longest)
      return pause
    }
  }
}
