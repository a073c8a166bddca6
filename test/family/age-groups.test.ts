import fc from 'fast-check'
import { Temporal } from 'temporal-polyfill'
import { describe, expect, it } from 'vitest'
import { AGE_GROUPS, ageGroupOf, ageOn } from '../../src/family/age-groups.ts'
import { addDays, localDateAt, startOfDay } from '../../src/platform/local-date.ts'

const RUNS = { numRuns: 300 }
const EPOCH = '2000-01-01'
/** Days from 2000 to 2049. */
const day = fc.integer({ min: 0, max: 18_261 }).map((days) => addDays(EPOCH, days))
const zone = fc.constantFrom(...Intl.supportedValuesOf('timeZone').filter((name) => !name.startsWith('Antarctica/')))

describe('ages', () => {
  it('are the whole years of the calendar', () => {
    fc.assert(
      fc.property(day, fc.integer({ min: 0, max: 7_000 }), (birthDate, days) => {
        const today = addDays(birthDate, days)
        const { years } = Temporal.PlainDate.from(birthDate).until(today, { largestUnit: 'years' })
        expect(ageOn(today, birthDate)).toBe(years)
      }),
      RUNS,
    )
  })

  it('never fall, and rise by one on a birthday alone', () => {
    fc.assert(
      fc.property(day, fc.integer({ min: 1, max: 7_000 }), (birthDate, days) => {
        const today = addDays(birthDate, days)
        const step = ageOn(today, birthDate) - ageOn(addDays(today, -1), birthDate)
        const isBirthday = today.slice(5) === birthDate.slice(5) || (birthDate.endsWith('02-29') && today.endsWith('03-01') && !isLeap(today))
        expect(step).toBe(isBirthday ? 1 : 0)
      }),
      RUNS,
    )
  })

  it.each([
    ['2026-11-20', '2018-11-21', 7],
    ['2026-11-21', '2018-11-21', 8],
    ['2026-02-28', '2020-02-29', 5],
    ['2026-03-01', '2020-02-29', 6],
    ['2028-02-28', '2020-02-29', 7],
    ['2028-02-29', '2020-02-29', 8],
    ['2026-01-01', '2025-12-31', 0],
    ['2025-12-30', '2025-12-31', -1],
  ])('on %s, somebody born on %s is %i', (today, birthDate, age) => {
    expect(ageOn(today, birthDate)).toBe(age)
  })

  it("turn over at the parent's midnight, in every time zone", () => {
    fc.assert(
      fc.property(
        zone,
        fc.integer({ min: 2015, max: 2024 }),
        fc.integer({ min: 0, max: 364 }),
        fc.integer({ min: 4, max: 12 }),
        (timezone, year, offset, age) => {
          const birthDate = addDays(`${year}-01-01`, offset)
          const birthday = birthDate.endsWith('02-29') && !isLeap(String(year + age)) ? `${year + age}-03-01` : `${year + age}${birthDate.slice(4)}`
          const midnight = startOfDay(birthday, timezone)
          expect(ageOn(localDateAt(midnight, timezone), birthDate)).toBe(age)
          expect(ageOn(localDateAt(midnight - 1, timezone), birthDate)).toBe(age - 1)
        },
      ),
      { numRuns: 200 },
    )
  })
})

const isLeap = (date: string): boolean => new Date(`${date.slice(0, 4)}-02-29T00:00:00Z`).getUTCDate() === 29

describe('age groups', () => {
  it.each([
    [4, 'wonder_cubs'],
    [6, 'wonder_cubs'],
    [7, 'curious_explorers'],
    [9, 'curious_explorers'],
    [10, 'mind_masters'],
    [12, 'mind_masters'],
    [13, 'mind_masters'],
    [40, 'mind_masters'],
  ])('%i years: %s', (age, group) => {
    expect(ageGroupOf(age)).toBe(group)
  })

  it('only ever move on', () => {
    fc.assert(
      fc.property(fc.integer({ min: -5, max: 60 }), fc.nat(40), (age, later) => {
        expect(AGE_GROUPS.indexOf(ageGroupOf(age + later))).toBeGreaterThanOrEqual(AGE_GROUPS.indexOf(ageGroupOf(age)))
      }),
      RUNS,
    )
  })
})
