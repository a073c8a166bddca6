import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, it } from 'vitest'
import { isBedtime } from '../../src/learning/progress/time-budget.ts'
import type { Instant } from '../../src/platform/clock.ts'
import { zonedInstant } from '../helpers/zones.ts'

const NEW_YORK = 'America/New_York'
const bedtime = (bedtimeStart: string | null, bedtimeEnd: string | null) => ({ bedtimeStart, bedtimeEnd })
const inNewYork = (text: string, from: string, until: string) => isBedtime(Date.parse(text), NEW_YORK, bedtime(from, until))

describe('bedtime', () => {
  it('begins with its first minute and ends before its last, over midnight', () => {
    expect(inNewYork('2026-11-22T00:29:59.999Z', '19:30', '07:00')).toBe(false)
    expect(inNewYork('2026-11-22T00:30:00.000Z', '19:30', '07:00')).toBe(true)
    expect(inNewYork('2026-11-22T04:59:59.999Z', '19:30', '07:00')).toBe(true)
    expect(inNewYork('2026-11-22T05:00:00.000Z', '19:30', '07:00')).toBe(true)
    expect(inNewYork('2026-11-22T11:59:59.999Z', '19:30', '07:00')).toBe(true)
    expect(inNewYork('2026-11-22T12:00:00.000Z', '19:30', '07:00')).toBe(false)
  })

  it('begins with its first minute and ends before its last, within a day', () => {
    expect(inNewYork('2026-11-21T17:59:59.999Z', '13:00', '14:30')).toBe(false)
    expect(inNewYork('2026-11-21T18:00:00.000Z', '13:00', '14:30')).toBe(true)
    expect(inNewYork('2026-11-21T19:29:59.999Z', '13:00', '14:30')).toBe(true)
    expect(inNewYork('2026-11-21T19:30:00.000Z', '13:00', '14:30')).toBe(false)
  })

  it('may begin or end at midnight itself', () => {
    expect(inNewYork('2026-11-22T04:59:59.999Z', '00:00', '06:00')).toBe(false)
    expect(inNewYork('2026-11-22T05:00:00.000Z', '00:00', '06:00')).toBe(true)
    expect(inNewYork('2026-11-22T04:59:59.999Z', '20:00', '00:00')).toBe(true)
    expect(inNewYork('2026-11-22T05:00:00.000Z', '20:00', '00:00')).toBe(false)
  })

  it('needs both ends', () => {
    const night = Date.parse('2026-11-22T06:00:00Z')
    expect(isBedtime(night, NEW_YORK, bedtime(null, null))).toBe(false)
    expect(isBedtime(night, NEW_YORK, bedtime('19:30', null))).toBe(false)
    expect(isBedtime(night, NEW_YORK, bedtime(null, '07:00'))).toBe(false)
  })

  it('follows the wall clock on the night the clocks go back: both one-thirties are in bed', () => {
    expect(inNewYork('2026-11-01T05:30:00Z', '01:00', '02:00')).toBe(true)
    expect(inNewYork('2026-11-01T06:30:00Z', '01:00', '02:00')).toBe(true)
    expect(inNewYork('2026-11-01T07:00:00Z', '01:00', '02:00')).toBe(false)
    expect(inNewYork('2026-11-01T11:59:59Z', '19:30', '07:00')).toBe(true)
    expect(inNewYork('2026-11-01T12:00:00Z', '19:30', '07:00')).toBe(false)
  })

  it('follows the wall clock on the night the clocks go forward, when an end or a start never comes', () => {
    expect(inNewYork('2026-03-08T06:59:59Z', '19:30', '02:30')).toBe(true)
    expect(inNewYork('2026-03-08T07:00:00Z', '19:30', '02:30')).toBe(false)
    expect(inNewYork('2026-03-08T06:59:59Z', '02:30', '05:00')).toBe(false)
    expect(inNewYork('2026-03-08T07:00:00Z', '02:30', '05:00')).toBe(true)
    expect(inNewYork('2026-03-08T10:59:59Z', '19:30', '07:00')).toBe(true)
    expect(inNewYork('2026-03-08T11:00:00Z', '19:30', '07:00')).toBe(false)
  })

  it('is what the wall clock of the zone says, in any zone at any instant', () => {
    const minute = fc.integer({ min: 0, max: 1439 })
    const differing = fc.tuple(minute, minute).filter(([from, until]) => from !== until)
    fc.assert(
      fc.property(zonedInstant, differing, ({ zone, instant }, [from, until]) => {
        const inside = minutesAfter(from, wallClockMinute(instant, zone)) < minutesAfter(from, until)
        expect(isBedtime(instant, zone, bedtime(asTime(from), asTime(until)))).toBe(inside)
      }),
      { numRuns: 300 },
    )
  })

  it('and waking time never overlap and leave no gap', () => {
    const minute = fc.integer({ min: 0, max: 1439 })
    const differing = fc.tuple(minute, minute).filter(([from, until]) => from !== until)
    fc.assert(
      fc.property(zonedInstant, differing, ({ zone, instant }, [from, until]) => {
        const asleep = isBedtime(instant, zone, bedtime(asTime(from), asTime(until)))
        expect(isBedtime(instant, zone, bedtime(asTime(until), asTime(from)))).toBe(!asleep)
      }),
      { numRuns: 100 },
    )
  })
})

const asTime = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
const minutesAfter = (from: number, minute: number): number => (minute - from + 1440) % 1440

function wallClockMinute(instant: Instant, zone: string): number {
  const { hour, minute } = Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone)
  return hour * 60 + minute
}
