/**
 * What a step of a fold gets of an event. In a module of its own, because the types of programs lead here, and the codec of messages has
 * some that are not published.
 */
export interface FoldEvent {
  readonly type: string
  readonly data: unknown
}
