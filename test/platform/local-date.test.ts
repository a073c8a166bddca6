import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, it } from 'vitest'
import { DAY, HOUR } from '../../src/platform/clock.ts'
import { addDays, isTimeZone, localDateAt, localMinuteAt, startOfDay } from '../../src/platform/local-date.ts'

const RUNS = { numRuns: 300 }
const zones = Intl.supportedValuesOf('timeZone')
const zone = fc.constantFrom(...zones)
/** Antarctic stations change their clocks over midnight and live a day twice. */
const settledZone = fc.constantFrom(...zones.filter((name) => !name.startsWith('Antarctica/')))
const instant = fc.integer({ min: Date.parse('2000-01-01'), max: Date.parse('2037-12-31') })
const day = fc.integer({ min: 0, max: 8_000 }).map((days) => addDays('2015-01-01', days))

describe('local days', () => {
  it('are those of the calendar on the wall', () => {
    fc.assert(
      fc.property(instant, zone, (now, timezone) => {
        const local = Temporal.Instant.fromEpochMilliseconds(now).toZonedDateTimeISO(timezone)
        expect(localDateAt(now, timezone)).toBe(String(local.toPlainDate()))
        expect(localMinuteAt(now, timezone)).toBe(local.hour * 60 + local.minute)
      }),
      RUNS,
    )
  })

  it('begin at their first instant, whatever the clocks do at midnight', () => {
    fc.assert(
      fc.property(day, settledZone, (date, timezone) => {
        const start = startOfDay(date, timezone)
        expect(localDateAt(start, timezone)).toBe(date)
        expect(localDateAt(start - 1, timezone)).toBe(addDays(date, -1))
      }),
      RUNS,
    )
  })

  it('last 23 to 25 hours', () => {
    fc.assert(
      fc.property(day, settledZone, (date, timezone) => {
        const length = startOfDay(addDays(date, 1), timezone) - startOfDay(date, timezone)
        expect(length).toBeGreaterThanOrEqual(23 * HOUR)
        expect(length).toBeLessThanOrEqual(25 * HOUR)
      }),
      RUNS,
    )
  })

  it.each([
    ['America/New_York', '2026-03-08', 23],
    ['America/New_York', '2026-11-01', 25],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
    ['Africa/Cairo', '2026-04-24', 23],
    ['UTC', '2026-03-08', 24],
  ])('%s, %s: %d hours', (timezone, date, hours) => {
    expect(startOfDay(addDays(date, 1), timezone) - startOfDay(date, timezone)).toBe(hours * HOUR)
  })

  it('begin at one o’clock where the clocks jump over midnight', () => {
    expect(localMinuteAt(startOfDay('2026-04-24', 'Africa/Cairo'), 'Africa/Cairo')).toBe(60)
  })

  it('count midnight as minute 0 and the last minute as 1439', () => {
    const midnight = startOfDay('2026-11-21', 'Asia/Kathmandu')
    expect(localMinuteAt(midnight, 'Asia/Kathmandu')).toBe(0)
    expect(localMinuteAt(midnight - 1, 'Asia/Kathmandu')).toBe(1439)
  })
})

describe('counting days', () => {
  it('goes forth and back, in steps or at once', () => {
    fc.assert(
      fc.property(day, fc.integer({ min: -4_000, max: 4_000 }), fc.integer({ min: -4_000, max: 4_000 }), (date, a, b) => {
        expect(addDays(addDays(date, a), -a)).toBe(date)
        expect(addDays(addDays(date, a), b)).toBe(addDays(date, a + b))
        expect((Date.parse(addDays(date, a)) - Date.parse(date)) / DAY).toBe(a)
      }),
      RUNS,
    )
  })

  it('keeps the order of the calendar in the order of the texts', () => {
    fc.assert(
      fc.property(day, fc.integer({ min: 1, max: 4_000 }), (date, days) => {
        expect(addDays(date, days) > date).toBe(true)
        expect(addDays(date, days)).toMatch(/^\d{4}-\d{2}-\d{2}$/)
      }),
      RUNS,
    )
  })
})

describe('time zones', () => {
  it('are known by their IANA names', () => {
    fc.assert(
      fc.property(zone, (name) => {
        expect(isTimeZone(name)).toBe(true)
      }),
      { numRuns: 100 },
    )
    expect(['UTC', 'Etc/GMT+5', 'America/New_York'].map(isTimeZone)).toEqual([true, true, true])
  })

  it.each(['', '+01:00', '-05:00', 'Mars/Olympus_Mons', 'America/New York', 'America/New_York\0', '__proto__', '1'])('not %j', (name) => {
    expect(isTimeZone(name)).toBe(false)
  })
})
