/**
 * The names that Message DB and Eventide give to what the metadata say about other messages.
 */

export const causeStream = "causationMessageStreamName"
export const causePosition = "causationMessageGlobalPosition"
export const correlation = "correlationStreamName"
