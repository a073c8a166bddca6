import type { ChildTimeRules } from '../../family/child-access.ts'
import { type Instant, MINUTE } from '../../platform/clock.ts'
import { type LocalDate, localDateAt, localMinuteAt, startOfDay } from '../../platform/local-date.ts'

/** Two events further apart than this count as this long: nobody learned while the tablet lay in the grass. */
export const LONGEST_GAP_MS = 2 * MINUTE

export interface BookedTime {
  readonly day: LocalDate
  readonly ms: number
}

/**
 * The learning time between the last event and now, at most two minutes of it, split where local midnight falls in
 * between. A clock that went backwards books nothing.
 */
export function timeSince(lastEventAt: Instant | null, now: Instant, timezone: string): BookedTime[] {
  if (lastEventAt === null || now <= lastEventAt) return []
  const end = Math.min(now, lastEventAt + LONGEST_GAP_MS)
  const [firstDay, lastDay] = [localDateAt(lastEventAt, timezone), localDateAt(end, timezone)]
  if (firstDay === lastDay) return [{ day: firstDay, ms: end - lastEventAt }]
  const midnight = startOfDay(lastDay, timezone)
  return [
    { day: firstDay, ms: midnight - lastEventAt },
    { day: lastDay, ms: end - midnight },
  ].filter((part) => part.ms > 0)
}

const MINUTES_A_DAY = 1_440
const wallClockMinutes = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))

/** Whether the local wall clock stands between bedtime's start (included) and end (excluded); it may cross midnight. */
export function isBedtime(now: Instant, timezone: string, bedtime: { readonly bedtimeStart: string | null; readonly bedtimeEnd: string | null }): boolean {
  if (bedtime.bedtimeStart === null || bedtime.bedtimeEnd === null) return false
  const [start, end, minute] = [wallClockMinutes(bedtime.bedtimeStart), wallClockMinutes(bedtime.bedtimeEnd), localMinuteAt(now, timezone)]
  return start < end ? minute >= start && minute < end : minute >= start || minute < end
}

/** Minutes of the local wall clock until bedtime begins, 0 during bedtime; undefined without one. */
export function minutesToBedtime(now: Instant, timezone: string, bedtime: Pick<TimeRules, 'bedtimeStart' | 'bedtimeEnd'>): number | undefined {
  if (bedtime.bedtimeStart === null) return undefined
  if (isBedtime(now, timezone, bedtime)) return 0
  return (wallClockMinutes(bedtime.bedtimeStart) - localMinuteAt(now, timezone) + MINUTES_A_DAY) % MINUTES_A_DAY
}

export type TimeRules = ChildTimeRules

export const TIME_REASONS = ['paused', 'bedtime', 'time_limit'] as const
export type TimeReason = (typeof TIME_REASONS)[number]

/** Learning time of today: what is booked, and what has run since the last event. */
export function usedToday(child: Pick<TimeRules, 'timezone' | 'today'>, now: Instant, lastEventAt: Instant | null, bookedTodayMs: number): number {
  return bookedTodayMs + (timeSince(lastEventAt, now, child.timezone).find((part) => part.day === child.today)?.ms ?? 0)
}

/** Learning time of today that is left; never negative. */
export function leftToday(child: TimeRules, usedMs: number): number {
  return Math.max(0, (child.dailyTimeLimitMinutes + child.grantedMinutes) * MINUTE - usedMs)
}

/** Why a child may not go on learning now, if so: paused by the parent, before bedtime, before the day's budget. */
export function timeRefusal(child: TimeRules, now: Instant, lastEventAt: Instant | null, bookedTodayMs: number): TimeReason | undefined {
  if (child.isPaused) return 'paused'
  if (isBedtime(now, child.timezone, child)) return 'bedtime'
  return leftToday(child, usedToday(child, now, lastEventAt, bookedTodayMs)) === 0 ? 'time_limit' : undefined
}

/** What a child is told when it may not go on. */
export const TIME_MESSAGES: Readonly<Record<TimeReason, string>> = {
  paused: 'Your grown-up has paused BrainSpark for now. See you soon!',
  bedtime: 'Sleep tight! Your questions will wait for you until morning.',
  time_limit: "Great thinking today! Let's take a break and come back tomorrow!",
}

/** A row to add to a child's day in a topic. */
export interface DayBooking {
  readonly day: LocalDate
  readonly topicId: string
  readonly ms: number
  readonly turns: number
}

/** The last event of a child: from here learning time runs on. */
export interface LastEvent {
  readonly lastEventAt: Instant | null
  readonly lastTopicId: string | null
}

/** What an event now adds to the child's days: the time since the last event to its topic, and child turns to this one. One row a day and topic. */
export function bookingsFor(last: LastEvent, now: Instant, child: Pick<TimeRules, 'timezone' | 'today'>, topicId: string, turns: number): DayBooking[] {
  const rows = new Map<string, DayBooking>()
  const add = (row: DayBooking) => {
    const key = `${row.day} ${row.topicId}`
    const known = rows.get(key)
    rows.set(key, known ? { ...known, ms: known.ms + row.ms, turns: known.turns + row.turns } : row)
  }
  for (const { day, ms } of timeSince(last.lastEventAt, now, child.timezone)) add({ day, ms, topicId: last.lastTopicId ?? topicId, turns: 0 })
  if (turns > 0) add({ day: child.today, topicId, ms: 0, turns })
  return [...rows.values()].sort((a, b) => (a.day + a.topicId < b.day + b.topicId ? -1 : 1))
}
