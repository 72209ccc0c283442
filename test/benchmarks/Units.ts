/**
 * The units of what is measured, and whether less of it is better.
 */
export const units = {
  "calls/s": { less: false },
  "messages/s": { less: false },
  "loads/s": { less: false },
  "transactions/s": { less: false },
  ms: { less: true },
  MB: { less: true }
} as const

export type Unit = keyof typeof units
