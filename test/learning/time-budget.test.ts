import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, it } from 'vitest'
import { type BookedTime, bookingsFor, LONGEST_GAP_MS, timeRefusal, timeSince } from '../../src/learning/progress/time-budget.ts'
import { DAY, HOUR, type Instant, MINUTE, SECOND } from '../../src/platform/clock.ts'
import { FIRST_INSTANT, LAST_INSTANT, zonedInstant } from '../helpers/zones.ts'

const NEW_YORK = 'America/New_York'
const at = (text: string): Instant => Date.parse(text)
const total = (parts: readonly { readonly ms: number }[]): number => parts.reduce((sum, part) => sum + part.ms, 0)

/** The local day by another library than the product's formatter. */
const dayAt = (instant: Instant, zone: string): string => Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(zone).toPlainDate().toString()

const gap = fc.oneof(fc.integer({ min: 0, max: 2 * LONGEST_GAP_MS }), fc.integer({ min: 0, max: 3 * DAY }))

describe('learning time', () => {
  it('runs on from the last event, two minutes at most', () => {
    const noon = at('2026-11-21T17:00:00Z')
    expect(timeSince(noon, noon + 45 * SECOND, NEW_YORK)).toEqual([{ day: '2026-11-21', ms: 45_000 }])
    expect(timeSince(noon, noon + 120 * SECOND, NEW_YORK)).toEqual([{ day: '2026-11-21', ms: 120_000 }])
    expect(timeSince(noon, noon + 121 * SECOND, NEW_YORK)).toEqual([{ day: '2026-11-21', ms: 120_000 }])
    expect(timeSince(noon, noon + 5 * HOUR, NEW_YORK)).toEqual([{ day: '2026-11-21', ms: 120_000 }])
  })

  it('is nothing before the first event, at the same instant, or when the clock went backwards', () => {
    const noon = at('2026-11-21T17:00:00Z')
    expect(timeSince(null, noon, NEW_YORK)).toEqual([])
    expect(timeSince(noon, noon, NEW_YORK)).toEqual([])
    expect(timeSince(noon, noon - 1, NEW_YORK)).toEqual([])
    expect(timeSince(noon, noon - DAY, NEW_YORK)).toEqual([])
  })

  it('is split where local midnight falls', () => {
    const midnight = at('2026-11-22T05:00:00Z')
    expect(timeSince(midnight - 30 * SECOND, midnight + 60 * SECOND, NEW_YORK)).toEqual([
      { day: '2026-11-21', ms: 30_000 },
      { day: '2026-11-22', ms: 60_000 },
    ])
    expect(timeSince(midnight - 1, midnight, NEW_YORK)).toEqual([{ day: '2026-11-21', ms: 1 }])
    expect(timeSince(midnight, midnight + 1, NEW_YORK)).toEqual([{ day: '2026-11-22', ms: 1 }])
    expect(timeSince(midnight - 120 * SECOND, midnight + HOUR, NEW_YORK)).toEqual([{ day: '2026-11-21', ms: 120_000 }])
  })

  it('is split where a day begins at one o’clock because the clocks leap over midnight', () => {
    const leap = at('2026-04-23T22:00:00Z')
    expect(dayAt(leap - 1, 'Africa/Cairo')).toBe('2026-04-23')
    expect(timeSince(leap - 10 * SECOND, leap + 20 * SECOND, 'Africa/Cairo')).toEqual([
      { day: '2026-04-23', ms: 10_000 },
      { day: '2026-04-24', ms: 20_000 },
    ])
  })

  it('is min(gap, 120 s) in all, of at most two days, in any zone at any instant', () => {
    fc.assert(
      fc.property(zonedInstant, gap, ({ zone, instant }, gapMs) => {
        const parts = timeSince(instant, instant + gapMs, zone)
        expect(total(parts)).toBe(Math.min(gapMs, LONGEST_GAP_MS))
        expect(parts.length).toBeLessThanOrEqual(2)
        for (const part of parts) expect(part.ms).toBeGreaterThan(0)
      }),
      { numRuns: 300 },
    )
  })

  it('goes to the day it was learned on, to the millisecond', () => {
    fc.assert(
      fc.property(zonedInstant, gap, ({ zone, instant }, gapMs) => {
        let from = instant
        for (const { day, ms } of timeSince(instant, instant + gapMs, zone)) {
          expect(dayAt(from, zone)).toBe(day)
          expect(dayAt(from + ms - 1, zone)).toBe(day)
          from += ms
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is never negative when the clock jumps about', () => {
    const jumps = fc.array(fc.integer({ min: -2 * DAY, max: 2 * DAY }), { maxLength: 12 })
    fc.assert(
      fc.property(zonedInstant, jumps, ({ zone, instant }, steps) => {
        let last = instant
        for (const step of steps) {
          const parts: BookedTime[] = timeSince(last, last + step, zone)
          expect(total(parts)).toBe(Math.min(Math.max(0, step), LONGEST_GAP_MS))
          last += step
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('booking', () => {
  const [space, physics] = ['770e8400-e29b-41d4-a716-446655440001', '770e8400-e29b-41d4-a716-446655440003']
  const topic = fc.constantFrom(space, physics)

  it('gives the time to the topic at hand until now, and the turn to this one', () => {
    const now = at('2026-11-21T17:01:00Z')
    const rows = bookingsFor({ lastEventAt: now - MINUTE, lastTopicId: space }, now, { timezone: NEW_YORK, today: '2026-11-21' }, physics, 1)
    expect(rows).toEqual([
      { day: '2026-11-21', topicId: space, ms: 60_000, turns: 0 },
      { day: '2026-11-21', topicId: physics, ms: 0, turns: 1 },
    ])
  })

  it('adds time and turn of one topic and day up in one row', () => {
    const now = at('2026-11-21T17:01:00Z')
    const rows = bookingsFor({ lastEventAt: now - MINUTE, lastTopicId: space }, now, { timezone: NEW_YORK, today: '2026-11-21' }, space, 1)
    expect(rows).toEqual([{ day: '2026-11-21', topicId: space, ms: 60_000, turns: 1 }])
  })

  it('books nothing for the first event but its turn', () => {
    const child = { timezone: NEW_YORK, today: '2026-11-21' }
    expect(bookingsFor({ lastEventAt: null, lastTopicId: null }, at('2026-11-21T17:00:00Z'), child, space, 0)).toEqual([])
    expect(bookingsFor({ lastEventAt: null, lastTopicId: null }, at('2026-11-21T17:00:00Z'), child, space, 1)).toEqual([
      { day: '2026-11-21', topicId: space, ms: 0, turns: 1 },
    ])
  })

  it('loses and invents nothing, and names each day and topic once', () => {
    fc.assert(
      fc.property(zonedInstant, gap, topic, fc.option(topic), fc.nat(1), ({ zone, instant }, gapMs, topicId, lastTopicId, turns) => {
        const now = instant + gapMs
        const today = dayAt(now, zone)
        const rows = bookingsFor({ lastEventAt: instant, lastTopicId }, now, { timezone: zone, today }, topicId, turns)
        expect(total(rows)).toBe(Math.min(gapMs, LONGEST_GAP_MS))
        expect(rows.reduce((sum, row) => sum + row.turns, 0)).toBe(turns)
        expect(new Set(rows.map((row) => `${row.day} ${row.topicId}`)).size).toBe(rows.length)
        for (const row of rows) if (row.ms > 0) expect(row.topicId).toBe(lastTopicId ?? topicId)
        for (const row of rows) if (row.turns > 0) expect([row.day, row.topicId]).toEqual([today, topicId])
      }),
      { numRuns: 300 },
    )
  })

  it('books no second twice when two devices take turns at once', () => {
    const events = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 40 * MINUTE }), topicId: topic }), { minLength: 1, maxLength: 15 })
    fc.assert(
      fc.property(zonedInstant, events, events, ({ zone, instant }, tablet, phone) => {
        const merged = [...tablet, ...phone].map((event) => ({ ...event, at: instant + event.ms })).sort((a, b) => a.at - b.at)
        let last: { lastEventAt: Instant | null; lastTopicId: string | null } = { lastEventAt: null, lastTopicId: null }
        let booked = 0
        for (const event of merged) {
          booked += total(bookingsFor(last, event.at, { timezone: zone, today: dayAt(event.at, zone) }, event.topicId, 1))
          last = { lastEventAt: event.at, lastTopicId: event.topicId }
        }
        expect(booked).toBe(coveredMs(merged.map((event) => event.at)))
      }),
      { numRuns: 200 },
    )
  })

  /** How much of the line the stretches of 120 s after each event cover together, up to the last event. */
  function coveredMs(events: readonly Instant[]): number {
    const end = Math.max(...events)
    let covered = 0
    let until = Number.NEGATIVE_INFINITY
    for (const event of events.toSorted((a, b) => a - b)) {
      const [from, to] = [Math.max(event, until), Math.min(event + LONGEST_GAP_MS, end)]
      covered += Math.max(0, to - from)
      until = Math.max(until, to)
    }
    return covered
  }
})

describe('the day’s budget', () => {
  const now = at('2026-11-21T17:00:00Z')
  const child = (dailyTimeLimitMinutes: number, bedtimeStart: string | null = null, bedtimeEnd: string | null = null) => ({
    ...{ timezone: NEW_YORK, today: '2026-11-21' },
    ...{ dailyTimeLimitMinutes, grantedMinutes: 0, isPaused: false, bedtimeStart, bedtimeEnd },
  })

  it('is used up at the very millisecond, booked and running time together', () => {
    expect(timeRefusal(child(60), now, null, 60 * MINUTE - 1)).toBeUndefined()
    expect(timeRefusal(child(60), now, null, 60 * MINUTE)).toBe('time_limit')
    expect(timeRefusal(child(60), now, now - 30 * SECOND, 60 * MINUTE - 30 * SECOND - 1)).toBeUndefined()
    expect(timeRefusal(child(60), now, now - 30 * SECOND, 60 * MINUTE - 30 * SECOND)).toBe('time_limit')
  })

  it('counts a long pause as two minutes', () => {
    expect(timeRefusal(child(60), now, now - 3 * HOUR, 58 * MINUTE - 1)).toBeUndefined()
    expect(timeRefusal(child(60), now, now - 3 * HOUR, 58 * MINUTE)).toBe('time_limit')
  })

  it('takes from today only what was learned after midnight', () => {
    const afterMidnight = at('2026-11-22T05:00:10Z')
    const today = { ...child(1), today: '2026-11-22' }
    expect(timeRefusal(today, afterMidnight, afterMidnight - 100 * SECOND, 50 * SECOND - 1)).toBeUndefined()
    expect(timeRefusal(today, afterMidnight, afterMidnight - 100 * SECOND, 50 * SECOND)).toBe('time_limit')
  })

  it('of 0 closes the day, before the first event too', () => {
    expect(timeRefusal(child(0), now, null, 0)).toBe('time_limit')
    expect(timeRefusal(child(0), now, now - MINUTE, 0)).toBe('time_limit')
  })

  it('of 1440 leaves a whole day open', () => {
    fc.assert(
      fc.property(fc.integer({ min: FIRST_INSTANT, max: LAST_INSTANT }), fc.integer({ min: 0, max: DAY - 1 }), (instant, bookedMs) => {
        expect(timeRefusal({ ...child(1440), today: dayAt(instant, NEW_YORK) }, instant, null, bookedMs)).toBeUndefined()
      }),
      { numRuns: 100 },
    )
  })

  it('gives way to bedtime when both refuse', () => {
    expect(timeRefusal(child(0, '11:00', '13:00'), now, null, 0)).toBe('bedtime')
    expect(timeRefusal(child(60, '11:00', '13:00'), now, null, 90 * MINUTE)).toBe('bedtime')
    expect(timeRefusal(child(60, '12:01', '13:00'), now, null, 90 * MINUTE)).toBe('time_limit')
    expect(timeRefusal(child(60, '12:01', '13:00'), now, null, 0)).toBeUndefined()
  })

  it('refuses exactly from the limit on, whatever the zone', () => {
    const limit = fc.integer({ min: 0, max: 1440 })
    fc.assert(
      fc.property(zonedInstant, limit, fc.nat(DAY), gap, ({ zone, instant }, minutes, bookedMs, gapMs) => {
        const later = instant + gapMs
        const today = dayAt(later, zone)
        const running = timeSince(instant, later, zone).find((part) => part.day === today)?.ms ?? 0
        const refusal = timeRefusal({ ...child(minutes), timezone: zone, today }, later, instant, bookedMs)
        expect(refusal).toBe(bookedMs + running >= minutes * MINUTE ? 'time_limit' : undefined)
      }),
      { numRuns: 200 },
    )
  })
})
