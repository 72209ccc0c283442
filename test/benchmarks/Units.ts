/**
 * The units of the figures, and whether less is better.
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
