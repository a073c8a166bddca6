import { Temporal } from 'temporal-polyfill'
import type { Instant } from './clock.ts'

/** A calendar day without a time zone, "YYYY-MM-DD"; compares and sorts as text. */
export type LocalDate = string

/** A name may be spelled in many ways; what is kept for each is bounded. */
const MAX_ZONES = 1_000
const formatters = new Map<string, Intl.DateTimeFormat>()

function formatterFor(timeZone: string): Intl.DateTimeFormat {
  let formatter = formatters.get(timeZone)
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    if (formatters.size >= MAX_ZONES) formatters.clear()
    formatters.set(timeZone, formatter)
  }
  return formatter
}

interface LocalMinute {
  /** The minute since the epoch that the rest describes. */
  readonly minute: number
  readonly date: LocalDate
  readonly minuteOfDay: number
}

/** The latest answer for each time zone: what is asked is nearly always the present minute. Offsets are whole minutes. */
const latest = new Map<string, LocalMinute>()

function localMinute(instant: Instant, timeZone: string): LocalMinute {
  const minute = Math.floor(instant / 60_000)
  const known = latest.get(timeZone)
  if (known?.minute === minute) return known
  const parts = Object.fromEntries(
    formatterFor(timeZone)
      .formatToParts(instant)
      .map((part) => [part.type, part.value]),
  )
  const fresh = { minute, date: `${parts.year}-${parts.month}-${parts.day}`, minuteOfDay: Number(parts.hour) * 60 + Number(parts.minute) }
  if (latest.size >= MAX_ZONES) latest.clear()
  latest.set(timeZone, fresh)
  return fresh
}

/** True for an IANA time zone name this runtime knows. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return /^[A-Za-z]/.test(name)
  } catch {
    return false
  }
}

/** The local calendar day at an instant. */
export function localDateAt(instant: Instant, timeZone: string): LocalDate {
  return localMinute(instant, timeZone).date
}

/** Minutes of the local wall clock since 00:00, 0..1439. */
export function localMinuteAt(instant: Instant, timeZone: string): number {
  return localMinute(instant, timeZone).minuteOfDay
}

/** The first instant of a local day; where the clock jumps over midnight, the first one that exists. */
export function startOfDay(date: LocalDate, timeZone: string): Instant {
  return Temporal.PlainDate.from(date).toZonedDateTime(timeZone).epochMilliseconds
}

/** Days since 1970-01-01: consecutive days have consecutive numbers. */
export const dayNumber = (date: LocalDate): number => Date.UTC(Number(date.slice(0, 4)), Number(date.slice(5, 7)) - 1, Number(date.slice(8, 10))) / 86_400_000

/** The day `days` later (earlier when negative). */
export function addDays(date: LocalDate, days: number): LocalDate {
  const day = new Date(`${date}T00:00:00Z`)
  day.setUTCDate(day.getUTCDate() + days)
  return day.toISOString().slice(0, 10)
}
