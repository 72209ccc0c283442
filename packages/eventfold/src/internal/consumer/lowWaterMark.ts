/** A message that is being handled. */
export interface Ticket {
  readonly position: number
  /** The time of the message, in milliseconds. */
  readonly time: number
  isDone: boolean
}

/** The highest position up to which everything is done, when messages begin in order and end in any order. */
export interface LowWaterMark {
  readonly position: () => number
  readonly begin: (position: number, time: number) => Ticket
  readonly done: (ticket: Ticket) => void
  /** Nothing up to a position, inclusive, will begin any more: the mark may pass it when what has begun is done. */
  readonly pass: (position: number) => void
  /** The first message that has begun and is not done. */
  readonly oldest: () => Ticket | undefined
}

export const make = (start: number): LowWaterMark => {
  let position = start
  let tickets: Array<Ticket> = []
  let first = 0
  return {
    position: () => position,
    begin: (position, time) => {
      const ticket = { position, time, isDone: false }
      tickets.push(ticket)
      return ticket
    },
    done: (ticket) => {
      ticket.isDone = true
      for (let head = tickets[first]; head?.isDone === true; head = tickets[first]) {
        position = head.position
        first += 1
      }
      // Done tickets are dropped in large pieces, which costs less than one at a time.
      if (first > 1_024 && first * 2 > tickets.length) {
        tickets = tickets.slice(first)
        first = 0
      }
    },
    pass: (passed) => {
      const last = tickets.at(-1)
      if (first === tickets.length) position = Math.max(position, passed)
      else if (last !== undefined && last.position < passed) {
        const ticket = { position: passed, time: last.time, isDone: true }
        // Positions behind a message that is not done wait with it; one ticket stands for all of them.
        if (last.isDone) tickets[tickets.length - 1] = ticket
        else tickets.push(ticket)
      }
    },
    oldest: () => tickets[first]
  }
}
