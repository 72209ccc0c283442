/** A message that is in hand. */
export interface Ticket {
  readonly position: number
  /** When the message was written, in milliseconds. */
  readonly time: number
  isDone: boolean
}

/** The highest position up to which everything is done, of messages that are begun in order and done in any. */
export interface LowWaterMark {
  readonly position: () => number
  readonly begin: (position: number, time: number) => Ticket
  readonly done: (ticket: Ticket) => void
  /** Nothing that is not begun is to be done up to a position, inclusive. */
  readonly pass: (position: number) => void
  /** The first message that is in hand; none when everything is done. */
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
      // What is done is given up in large pieces, which costs less than one at a time.
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
        // What is behind a message in hand waits with it; one mark for all of that is enough.
        if (last.isDone) tickets[tickets.length - 1] = ticket
        else tickets.push(ticket)
      }
    },
    oldest: () => tickets[first]
  }
}
