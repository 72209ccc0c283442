/** A message that is in hand. */
export interface Ticket {
  readonly position: number
  isDone: boolean
}

/** The highest position up to which everything is done, of messages that are begun in order and done in any. */
export interface LowWaterMark {
  readonly position: () => number
  readonly begin: (position: number) => Ticket
  readonly done: (ticket: Ticket) => void
}

export const make = (start: number): LowWaterMark => {
  let position = start
  let tickets: Array<Ticket> = []
  let first = 0
  return {
    position: () => position,
    begin: (position) => {
      const ticket = { position, isDone: false }
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
    }
  }
}
