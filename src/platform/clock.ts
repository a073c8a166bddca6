/** Milliseconds since the epoch. */
export type Instant = number

/** The only source of time: domain code asks it once and passes the answer on. */
export interface Clock {
  now(): Instant
}

export const systemClock: Clock = { now: () => Date.now() }

export const SECOND = 1_000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** RFC 3339 in UTC, whole seconds, as the contracts print times ("2024-12-15T10:30:00Z"). */
export function isoSeconds(instant: Instant | Date): string {
  return `${new Date(instant).toISOString().slice(0, 19)}Z`
}
