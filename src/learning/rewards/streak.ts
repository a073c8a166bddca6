import { addDays, dayNumber, type LocalDate } from '../../platform/local-date.ts'

export const MOST_FREEZES = 3
/** Every so many days of a streak earn a freeze. */
const FREEZE_EVERY = 7
const FIRST_MILESTONES = [3, 7, 14, 30, 50, 100, 365] as const
const DAYS_A_YEAR = 365

/** The days that make a streak: those with learning, and those covered by a freeze. Sets of dates: travel and DST cannot break or double them. */
export interface StreakDays {
  readonly counted: ReadonlySet<LocalDate>
  readonly frozen: ReadonlySet<LocalDate>
}

/** The days with one more counted; the same object when it has counted already. */
export const withDay = (days: StreakDays, day: LocalDate): StreakDays =>
  days.counted.has(day) ? days : { counted: new Set([...days.counted, day]), frozen: days.frozen }

/** The latest counted day, if there is one. */
export function lastCounted({ counted }: StreakDays): LocalDate | undefined {
  let latest: LocalDate | undefined
  for (const day of counted) if (latest === undefined || day > latest) latest = day
  return latest
}

/**
 * Days in a row that end on `day` or the day before; frozen days bridge without adding. Somebody who travelled west stands
 * on a day before the last counted one: their streak ends at that one.
 */
export function streakAt(day: LocalDate, days: StreakDays): number {
  const { counted, frozen } = days
  const latest = lastCounted(days)
  const end = latest !== undefined && latest > day ? latest : day
  return lengthUpTo(counted.has(end) ? end : addDays(end, -1), counted, frozen)
}

function lengthUpTo(end: LocalDate, counted: ReadonlySet<LocalDate>, frozen: ReadonlySet<LocalDate>): number {
  const [countedNumbers, frozenNumbers] = [new Set([...counted].map(dayNumber)), new Set([...frozen].map(dayNumber))]
  let length = 0
  for (let day = dayNumber(end); countedNumbers.has(day) || frozenNumbers.has(day); day -= 1) if (countedNumbers.has(day)) length += 1
  return length
}

/** The length of the streak on each counted or frozen day, in one pass. */
export function streakLengths({ counted, frozen }: StreakDays): ReadonlyMap<LocalDate, number> {
  const lengths = new Map<LocalDate, number>()
  let [before, length] = [Number.NaN, 0]
  for (const day of [...new Set([...counted, ...frozen])].sort()) {
    const number = dayNumber(day)
    length = (number === before + 1 ? length : 0) + (counted.has(day) ? 1 : 0)
    before = number
    lengths.set(day, length)
  }
  return lengths
}

/** The longest streak there ever was. */
export function longestStreak(days: StreakDays): number {
  return Math.max(0, ...streakLengths(days).values())
}

/** Days after the last counted or frozen one and before today, oldest first: with them filled the streak goes on. Empty without a streak to save. */
export function missedDays(today: LocalDate, { counted, frozen }: StreakDays): LocalDate[] {
  const before = [...counted]
    .filter((day) => day < today)
    .sort()
    .at(-1)
  if (before === undefined) return []
  const missed: LocalDate[] = []
  for (let day = addDays(before, 1); day < today; day = addDays(day, 1)) if (!frozen.has(day)) missed.push(day)
  return missed
}

/** The days a freeze would cover now: the missed ones; today, when nothing is missed and today has not counted; else none. */
export function daysToFreeze(today: LocalDate, days: StreakDays): LocalDate[] {
  const missed = missedDays(today, days)
  if (missed.length > 0) return missed
  const latest = lastCounted(days)
  const isSettled = days.counted.has(today) || days.frozen.has(today) || (latest !== undefined && latest > today)
  return isSettled || latest === undefined ? [] : [today]
}

/** Streak lengths that earn a badge, at least up to the first one beyond `length`. */
function milestones(length: number): number[] {
  const years = Math.max(0, Math.floor(length / DAYS_A_YEAR))
  return [...FIRST_MILESTONES, ...Array.from({ length: years }, (_, index) => (index + 2) * DAYS_A_YEAR)]
}

/** The next streak length that earns a badge: 3, 7, 14, 30, 50, 100, 365, then each further year. */
export const nextMilestone = (length: number): number => milestones(length).find((days) => days > length) as number

/** The milestones that a streak of this length has passed. */
export const milestonesPassed = (length: number): number[] => milestones(length).filter((days) => days <= length)

export const streakBadgeId = (days: number): string => (days === 14 ? 'two_week_wonder' : `streak_${days}`)

/** The length a badge stands for; undefined when it is no badge of a streak. */
export function streakBadgeDays(badgeId: string): number | undefined {
  if (badgeId === 'two_week_wonder') return 14
  const [, digits] = /^streak_([1-9]\d{0,4})$/.exec(badgeId) ?? []
  const days = Number(digits)
  return digits !== undefined && days !== 14 && milestonesPassed(days).includes(days) ? days : undefined
}

export interface FreezeChange {
  readonly reason: string
  readonly amount: number
  readonly day: LocalDate
}

/**
 * What changes in the freezes when `day` counts: a freeze that covered it comes back, and a streak that reaches a multiple
 * of seven earns one; never more than three in hand. `days` holds `day` as counted already.
 */
export function freezesForCounting(day: LocalDate, days: StreakDays, inHand: number): FreezeChange[] {
  const changes: FreezeChange[] = []
  if (days.frozen.has(day) && inHand < MOST_FREEZES) changes.push({ reason: `returned:${day}`, amount: 1, day })
  const length = streakAt(day, days)
  if (length > 0 && length % FREEZE_EVERY === 0 && inHand + changes.length < MOST_FREEZES) changes.push({ reason: `streak:${day}`, amount: 1, day })
  return changes
}
