import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import type { Instant } from '../../src/platform/clock.ts'

/** Two years, with every clock change of theirs. */
export const FIRST_INSTANT = Date.parse('2025-06-01T00:00:00Z')
export const LAST_INSTANT = Date.parse('2027-06-01T00:00:00Z')
const DAYS = 730

export const ZONES: readonly string[] = Intl.supportedValuesOf('timeZone')

const NEAR_MS = 150_000

/** Instants at which the clocks of a zone change, from a zone and a number to pick one by; the first instant where they never change. */
export function clockChange(zone: string, pick: number): Instant {
  const changes: Instant[] = []
  let time = Temporal.Instant.fromEpochMilliseconds(FIRST_INSTANT).toZonedDateTimeISO(zone)
  for (let next = time.getTimeZoneTransition('next'); next && next.epochMilliseconds < LAST_INSTANT; next = time.getTimeZoneTransition('next')) {
    changes.push(next.epochMilliseconds)
    time = next
  }
  return changes[pick % changes.length] ?? FIRST_INSTANT
}

function midnight(zone: string, dayNumber: number): Instant {
  return Temporal.PlainDate.from('2025-06-01').add({ days: dayNumber }).toZonedDateTime(zone).epochMilliseconds
}

/** A real zone and an instant of two years: anywhere, around local midnight, or around a change of the clocks. */
export const zonedInstant: fc.Arbitrary<{ zone: string; instant: Instant }> = fc
  .record({
    zone: fc.constantFrom(...ZONES),
    anywhere: fc.integer({ min: FIRST_INSTANT, max: LAST_INSTANT }),
    pick: fc.nat(DAYS - 1),
    offset: fc.integer({ min: -NEAR_MS, max: NEAR_MS }),
    kind: fc.constantFrom('anywhere', 'midnight', 'clock change'),
  })
  .map(({ zone, anywhere, pick, offset, kind }) => ({
    zone,
    instant: kind === 'anywhere' ? anywhere : kind === 'midnight' ? midnight(zone, pick) + offset : clockChange(zone, pick) + offset,
  }))
