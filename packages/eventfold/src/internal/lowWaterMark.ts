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
    oldest: () => tickets[first]
  }
}
