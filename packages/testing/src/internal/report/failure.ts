/** What a test runner compares: it shows the difference. */
export interface Diff {
  readonly actual: unknown
  readonly expected: unknown
}

/** An expectation that is not met. Without a diff when there is nothing to compare, with a predicate say. */
export interface Mismatch {
  readonly expected: string
  readonly instead: string
  readonly diff?: Diff | undefined
}

/** A test that fails, before it becomes the error of its module. */
export interface Failure {
  /** Where the expectation is in the test: see `callSite`. */
  readonly site: ReadonlyArray<string>
  readonly message: string
  readonly diff: Diff | undefined
}

export const failure = (site: ReadonlyArray<string>, lines: ReadonlyArray<string>, diff?: Diff): Failure => ({
  site,
  message: lines.join("\n"),
  diff
})

/** The fields of a failure's error. */
export const errorFields = ({ diff, message }: Failure) => ({
  message,
  actual: diff?.actual,
  expected: diff?.expected
})

const isForeign = (line: string): boolean => /[\\/]node_modules[\\/]|[ (]node:/.test(line)

/**
 * The lines of a stack trace from the caller of the function that calls this. An expectation that is not met fails there,
 * in the test, and not here, where it is judged. Frames of packages (the fibers of a test, say) are left out, unless there
 * are no others. Empty where an engine does not write stacks as V8 does.
 */
export const callSite = (): ReadonlyArray<string> => {
  const lines = (new Error().stack ?? "").split("\n").filter((line) => line.startsWith("    at ")).slice(2)
  const own = lines.filter((line) => !isForeign(line))
  return own.length === 0 ? lines : own
}

/** Gives an error the stack of a call site. */
export const at = <E extends Error>(site: ReadonlyArray<string>, error: E): E => {
  if (site.length > 0) error.stack = [`${error.name}: ${error.message}`, ...site].join("\n")
  return error
}
