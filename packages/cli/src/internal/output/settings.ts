/**
 * The flags of every command about what it prints and what it asks.
 */
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"

/** The forms in which a command prints its answer. */
export const formats = ["table", "json", "ndjson", "csv"] as const

/** A form in which a command prints its answer. */
export type Format = typeof formats[number]

/** How the answer is printed; none for the form that fits where it goes. */
export const Output = GlobalFlag.Setting("output")({
  flag: Flag.Literals("output", formats).pipe(
    Flag.withAlias("o"),
    Flag.optional,
    Flag.withDescription("How to print: a table by default on a terminal, JSON lines (ndjson) elsewhere")
  )
})

/** Short for `--output ndjson`. */
export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Print JSON lines: short for -o ndjson")
  )
})

/** Answers every question with yes. */
export const Yes = GlobalFlag.Setting("yes")({
  flag: Flag.Boolean("yes").pipe(
    Flag.withAlias("y"),
    Flag.withDefault(false),
    Flag.withDescription("Do it without asking")
  )
})

/** Asks nothing: what would ask is not done. */
export const NoInput = GlobalFlag.Setting("no-input")({
  flag: Flag.Boolean("no-input").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Ask nothing, and don't do what would ask")
  )
})

/** Shows where an error comes from. */
export const Debug = GlobalFlag.Setting("debug")({
  flag: Flag.Boolean("debug").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Show the stack of an error, and log what the library does")
  )
})

/** The flags of this room. */
export const settings = [Output, Json, Yes, NoInput, Debug] as const
