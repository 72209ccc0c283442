/**
 * Tests that get longer with a number have two forms. The short one is for every change: it meets the same promise, and is long
 * enough to break where the promise is broken. `EVENTFOLD_LONG=1 npx pnpm test` runs the long one, for changes to what they test.
 */

/** Whether the long form runs. */
export const isLong: boolean = process.env["EVENTFOLD_LONG"] === "1"

/** The number of the form that runs. */
export const shortOrLong = (short: number, long: number): number => isLong ? long : short
