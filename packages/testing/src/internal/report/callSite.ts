const isForeign = (line: string): boolean => /[\\/]node_modules[\\/]|[ (]node:/.test(line)

/**
 * The lines of a stack trace from the caller of the function that calls this: an expectation that is not met is shown
 * there, in the test, and not here, where it was found out. Frames of packages (the fibers of a test, say) are left out,
 * unless there are no others. None where an engine writes stacks in another form than V8.
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
