/**
 * What the module of an application exports for the command.
 *
 * @since 0.1.0
 */
export * as Application from "./Application.ts"

/**
 * The `eventfold` command as an Effect, for a program that runs it in its own process.
 *
 * @since 0.1.0
 */
export * as Cli from "./Cli.ts"
