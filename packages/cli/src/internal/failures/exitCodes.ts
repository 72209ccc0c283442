/**
 * The exit codes of the command.
 */
export const exitCodes = {
  done: 0,
  /** The store has refused it, or it has failed. */
  failed: 1,
  /** The command line is wrong: nothing was begun. */
  usage: 2,
  /** No store was reached. */
  unreachable: 3,
  /** A check has found problems. */
  problems: 4,
  /** Something else is there now than what was expected. */
  conflict: 5,
  /** Nobody has confirmed it. */
  declined: 6,
  /** Ctrl-C, or SIGTERM. */
  interrupted: 130
} as const

/** One of {@link exitCodes}. */
export type ExitCode = typeof exitCodes[keyof typeof exitCodes]
