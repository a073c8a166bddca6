import type { Clock, Instant } from '../../src/platform/clock.ts'

/** Saturday noon in New York. */
export const NOON = Date.parse('2026-11-21T17:00:00Z')

/** A clock that stands still until it is moved. */
export interface TestClock extends Clock {
  advance(ms: number): void
  set(instant: Instant | string): void
}

export function testClock(start: Instant | string = NOON): TestClock {
  let now = typeof start === 'string' ? Date.parse(start) : start
  return {
    now: () => now,
    advance(ms) {
      now += ms
    },
    set(instant) {
      now = typeof instant === 'string' ? Date.parse(instant) : instant
    },
  }
}
