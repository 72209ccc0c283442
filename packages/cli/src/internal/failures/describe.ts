/**
 * What the command says of an error, and the exit code that it ends with.
 */
import * as Predicate from "effect/Predicate"
import { type ExitCode, exitCodes } from "./exitCodes.ts"

/** An error as the command tells it. */
export interface Described {
  readonly code: ExitCode
  readonly message: string
  readonly hint?: string | undefined
}

interface Rule {
  readonly code: ExitCode
  readonly hint?: string
}

const usage: Rule = { code: exitCodes.usage, hint: "eventfold COMMAND --help shows how it is used" }
const unreachable: Rule = { code: exitCodes.unreachable }
const failed: Rule = { code: exitCodes.failed }

/** Errors by their tags. Those of `OpenError` are its reasons. All others have failed. */
const rules: ReadonlyMap<string, Rule> = new Map(Object.entries<Rule>({
  UsageError: { code: exitCodes.usage },
  InvalidArgument: usage,
  InvalidStreamName: usage,
  InvalidCategory: usage,
  InvalidUrl: { code: exitCodes.usage },
  InvalidOption: { code: exitCodes.usage },
  StoreMissing: unreachable,
  Unreachable: unreachable,
  TlsFailed: unreachable,
  AuthenticationFailed: {
    code: exitCodes.unreachable,
    hint: "the password comes from the URL, from PGPASSWORD, or from the file .pgpass"
  },
  DatabaseNotFound: unreachable,
  FolderInUse: unreachable,
  FolderUnusable: unreachable,
  SchemaMissing: { code: exitCodes.failed, hint: "eventfold install makes it" },
  SchemaOutdated: { code: exitCodes.failed, hint: "eventfold upgrade brings it up to date" },
  SchemaTooNew: { code: exitCodes.failed, hint: "use a newer eventfold command" },
  PermissionDenied: { code: exitCodes.failed, hint: "eventfold doctor shows what the user may do" },
  WrongExpectedVersion: {
    code: exitCodes.conflict,
    hint: "eventfold last STREAM shows what it has now"
  },
  NotAsSeen: { code: exitCodes.conflict },
  DefinitionNotLoaded: {
    code: exitCodes.failed,
    hint: "name the module of the application that registers it: --module"
  },
  ProblemsFound: { code: exitCodes.problems },
  ConsumerIsRunning: { code: exitCodes.failed, hint: "eventfold runners shows where it runs: stop it there first" },
  NotConfirmed: { code: exitCodes.declined },
  QuitError: { code: exitCodes.interrupted }
}))

const textOf = (error: object, key: string): string | undefined => {
  const value: unknown = Predicate.hasProperty(error, key) ? error[key] : undefined
  return typeof value === "string" && value !== "" ? value : undefined
}

/** Of an error with a reason that is an error itself, the reason says which it is. */
const tagOf = (error: object): string | undefined => {
  const reason: unknown = Predicate.hasProperty(error, "reason") ? error.reason : undefined
  return (Predicate.isObject(reason) ? textOf(reason, "_tag") : undefined) ?? textOf(error, "_tag")
}

const ruleOf = (error: object): Rule => {
  const tag = tagOf(error)
  // What may succeed later was not reached now.
  if (Predicate.hasProperty(error, "isRetryable") && error.isRetryable === true) {
    return { code: exitCodes.unreachable, hint: "the same command may succeed later" }
  }
  return rules.get(tag ?? "") ?? failed
}

/** A message names a value, which may be as long as it likes. */
const mostOfLine = 1_000

/** Control characters could move the cursor of a terminal, and a message is one line. */
const oneLine = (text: string): string => {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim()
  return line.length <= mostOfLine ? line : `${line.slice(0, mostOfLine / 2)} … ${line.slice(-mostOfLine / 2)}`
}

/** What to say of an error, whatever it is. */
export const describe = (error: unknown): Described => {
  if (!Predicate.isObject(error)) return { ...failed, message: oneLine(String(error)) }
  const rule = ruleOf(error)
  const hint = textOf(error, "hint") ?? rule.hint
  return {
    code: rule.code,
    message: oneLine(textOf(error, "message") ?? tagOf(error) ?? "it has failed"),
    ...(hint !== undefined && { hint: oneLine(hint) })
  }
}
