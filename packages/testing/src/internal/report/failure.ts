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
