import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  daysToFreeze,
  freezesForCounting,
  longestStreak,
  milestonesPassed,
  missedDays,
  nextMilestone,
  type StreakDays,
  streakAt,
  streakBadgeDays,
  streakBadgeId,
  streakLengths,
  withDay,
} from '../../src/learning/rewards/streak.ts'
import { addDays, type LocalDate, localDateAt, startOfDay } from '../../src/platform/local-date.ts'
import { ZONES } from '../helpers/zones.ts'

const TODAY = '2026-03-10'
const ago = (days: number): LocalDate => addDays(TODAY, -days)
const daysOf = (counted: readonly number[], frozen: readonly number[] = []): StreakDays => ({
  counted: new Set(counted.map(ago)),
  frozen: new Set(frozen.map(ago)),
})

const someDays = fc.record({
  counted: fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 60 }),
  frozen: fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 10 }),
})

describe('a streak', () => {
  it.each([
    ['nothing', [], [], 0],
    ['today alone', [0], [], 1],
    ['yesterday alone: not lost yet', [1], [], 1],
    ['the day before yesterday: lost', [2], [], 0],
    ['three days up to today', [0, 1, 2], [], 3],
    ['a gap ends it', [0, 1, 3, 4], [], 2],
    ['a frozen day bridges and does not add', [0, 2, 3], [1], 3],
    ['frozen days up to yesterday keep it', [3, 4], [1, 2], 2],
    ['today frozen keeps it too', [1, 2], [0], 2],
    ['frozen days alone are no streak', [], [0, 1], 0],
  ])('of %s', (_name, counted, frozen, expected) => {
    expect(streakAt(TODAY, daysOf(counted, frozen))).toBe(expected)
  })

  it('is never longer than the counted days, nor than the longest', () => {
    fc.assert(
      fc.property(someDays, ({ counted, frozen }) => {
        const days = daysOf(counted, frozen)
        expect(streakAt(TODAY, days)).toBeLessThanOrEqual(longestStreak(days))
        expect(longestStreak(days)).toBeLessThanOrEqual(counted.length)
      }),
    )
  })

  it('has on each counted day the length it had in the list of all lengths', () => {
    fc.assert(
      fc.property(someDays, ({ counted, frozen }) => {
        const days = daysOf(counted, frozen)
        const lengths = streakLengths(days)
        const latest = Math.min(...counted)
        for (const day of counted) {
          const upToThere = { ...days, counted: new Set(counted.filter((other) => other >= day).map(ago)) }
          expect(lengths.get(ago(day))).toBe(streakAt(ago(day), upToThere))
        }
        if (counted.includes(0)) expect(latest).toBe(0)
      }),
    )
  })

  it('never shrinks when one more day counts or is frozen', () => {
    fc.assert(
      fc.property(someDays, fc.integer({ min: 0, max: 60 }), ({ counted, frozen }, more) => {
        const days = daysOf(counted, frozen)
        expect(streakAt(TODAY, withDay(days, ago(more)))).toBeGreaterThanOrEqual(streakAt(TODAY, days))
        expect(streakAt(TODAY, { ...days, frozen: new Set([...days.frozen, ago(more)]) })).toBeGreaterThanOrEqual(streakAt(TODAY, days))
      }),
    )
  })

  // Two years hold every transition of every zone that still changes its clocks.
  it('of somebody who learns once in each local day is unbroken in every time zone, through every change of the clocks', () => {
    const days = Array.from({ length: 730 }, (_, index) => addDays('2025-06-01', index))
    for (const zone of ZONES) {
      const counted = new Set(days.map((day) => localDateAt(startOfDay(day, zone) + 30 * 60_000, zone)))
      expect(streakAt(days.at(-1) as LocalDate, { counted, frozen: new Set() }), zone).toBe(730)
    }
  })

  it('survives travel in both directions: a day that comes twice counts once, a day skipped by the date line is the only one missed', () => {
    const eastward = daysOf([3, 2, 1, 0])
    expect(streakAt(ago(1), eastward)).toBe(4)
    expect(streakAt(ago(0), eastward)).toBe(4)
    expect(withDay(eastward, ago(1))).toBe(eastward)
    expect(daysToFreeze(ago(1), eastward)).toEqual([])
    const skipped = daysOf([4, 3, 2, 0])
    expect(missedDays(ago(0), daysOf([4, 3, 2]))).toEqual([ago(1)])
    expect(streakAt(TODAY, { ...skipped, frozen: new Set([ago(1)]) })).toBe(4)
  })

  it('does not fall to a clock that goes backwards', () => {
    fc.assert(
      fc.property(someDays, fc.integer({ min: 1, max: 60 }), ({ counted, frozen }, back) => {
        const days = daysOf([0, ...counted], frozen)
        expect(streakAt(ago(back), days)).toBe(streakAt(TODAY, days))
      }),
    )
  })
})

describe('freezes', () => {
  it('cover every missed day since the last counted one, so that the streak is whole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 10 }), fc.boolean(), (length, gap, countedToday) => {
        const before = Array.from({ length }, (_, index) => gap + 1 + index)
        const days = daysOf([...before, ...(countedToday ? [0] : [])])
        const covered = daysToFreeze(TODAY, days)
        expect(covered).toEqual(Array.from({ length: gap }, (_, index) => ago(gap - index)))
        expect(streakAt(TODAY, { ...days, frozen: new Set(covered) })).toBe(length + (countedToday ? 1 : 0))
      }),
    )
  })

  it('cover today when nothing is missed, once, and not when today has counted or nothing ever has', () => {
    expect(daysToFreeze(TODAY, daysOf([1]))).toEqual([TODAY])
    expect(daysToFreeze(TODAY, daysOf([1], [0]))).toEqual([])
    expect(daysToFreeze(TODAY, daysOf([1, 0]))).toEqual([])
    expect(daysToFreeze(TODAY, daysOf([]))).toEqual([])
  })

  it('come back when the day counts after all, and one is earned at every seventh day, three in hand at most', () => {
    const week = withDay(daysOf([1, 2, 3, 4, 5, 6]), TODAY)
    expect(freezesForCounting(TODAY, week, 2)).toEqual([{ reason: `streak:${TODAY}`, amount: 1, day: TODAY }])
    expect(freezesForCounting(TODAY, week, 3)).toEqual([])
    const returned = withDay(daysOf([1], [0]), TODAY)
    expect(freezesForCounting(TODAY, returned, 1)).toEqual([{ reason: `returned:${TODAY}`, amount: 1, day: TODAY }])
    const both = withDay(daysOf([1, 2, 3, 4, 5, 6], [0]), TODAY)
    expect(freezesForCounting(TODAY, both, 1).map((change) => change.reason)).toEqual([`returned:${TODAY}`, `streak:${TODAY}`])
    expect(freezesForCounting(TODAY, both, 2).map((change) => change.reason)).toEqual([`returned:${TODAY}`])
  })
})

describe('milestones', () => {
  it('are 3, 7, 14, 30, 50, 100, 365, then each further year', () => {
    expect(milestonesPassed(1_500)).toEqual([3, 7, 14, 30, 50, 100, 365, 730, 1_095, 1_460])
    expect([0, 2, 3, 13, 14, 99, 100, 364, 365, 729, 730, 1_095].map(nextMilestone)).toEqual([3, 3, 7, 14, 30, 100, 365, 365, 730, 730, 1_095, 1_460])
  })

  it('have a badge each, and nothing else has', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), (days) => {
        const id = streakBadgeId(days)
        expect(streakBadgeDays(id)).toBe(milestonesPassed(days).includes(days) ? days : undefined)
      }),
    )
    expect([streakBadgeId(14), streakBadgeDays('two_week_wonder'), streakBadgeDays('streak_14'), streakBadgeDays('space_explorer_1')]).toEqual([
      'two_week_wonder',
      14,
      undefined,
      undefined,
    ])
  })
})
