/**
 * The command's own errors. Each message is one line, and `hint` says what to do.
 */
import * as Data from "effect/Data"

/** The command line can't be as it is. */
export class UsageError extends Data.TaggedError("UsageError")<{
  readonly message: string
  readonly hint?: string | undefined
}> {}

/** The command could not do what it was asked to. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
  readonly hint?: string | undefined
}> {}

/** There is no store where one was named. */
export class StoreMissing extends Data.TaggedError("StoreMissing")<{
  readonly message: string
  readonly hint?: string | undefined
}> {}

/** A check has found problems, which are printed already. */
export class ProblemsFound extends Data.TaggedError("ProblemsFound")<{
  readonly message: string
  readonly hint?: string | undefined
}> {
  /** Of a check that says of each problem what to do. */
  static readonly of = (problems: number): ProblemsFound =>
    new ProblemsFound({
      message: problems === 1 ? "1 problem was found" : `${problems} problems were found`,
      hint: "each says what to do"
    })
}

/** What needs a confirmation has none. Nothing was done. */
export class NotConfirmed extends Data.TaggedError("NotConfirmed")<{
  readonly message: string
  readonly hint?: string | undefined
}> {}
