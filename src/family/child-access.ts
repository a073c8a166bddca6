import type { Database, Statement, Transaction } from '../platform/db/database.ts'
import { AppError } from '../platform/http/errors.ts'
import { type LocalDate, localDateAt } from '../platform/local-date.ts'
import { type AgeGroup, ageGroupOf, ageOn } from './age-groups.ts'

/** What a child's time is measured by. */
export interface ChildTimeRules {
  readonly timezone: string
  /** The local day of the request. */
  readonly today: LocalDate
  readonly dailyTimeLimitMinutes: number
  /** Minutes the parent has added to the limit of today. */
  readonly grantedMinutes: number
  readonly isPaused: boolean
  readonly bedtimeStart: string | null
  readonly bedtimeEnd: string | null
}

/** A child that the caller may speak for, with what every rule about it needs. */
export interface ActiveChild extends ChildTimeRules {
  readonly id: string
  readonly parentId: string
  readonly name: string
  readonly ageGroup: AgeGroup
  readonly restrictedTopics: ReadonlySet<string>
}

/** The columns that time rules are made of. */
export const TIME_RULE_COLUMNS = `c.daily_time_limit_minutes, c.bedtime_start, c.bedtime_end, c.granted_day::text AS granted_day, c.granted_minutes,
      c.paused_at, p.timezone`

export interface TimeRulesRow {
  readonly daily_time_limit_minutes: number
  readonly bedtime_start: string | null
  readonly bedtime_end: string | null
  readonly granted_day: string | null
  readonly granted_minutes: number
  readonly paused_at: Date | null
  readonly timezone: string
}

/** A child's time rules at an instant. */
export function timeRulesOf(row: TimeRulesRow, now: number): ChildTimeRules {
  const today = localDateAt(now, row.timezone)
  return {
    timezone: row.timezone,
    today,
    dailyTimeLimitMinutes: row.daily_time_limit_minutes,
    grantedMinutes: row.granted_day === today ? row.granted_minutes : 0,
    isPaused: row.paused_at !== null,
    bedtimeStart: row.bedtime_start,
    bedtimeEnd: row.bedtime_end,
  }
}

const FIND_CHILD: Statement = {
  name: 'family.child',
  text: `
    SELECT c.name, c.birth_date::text AS birth_date, c.restricted_topics, ${TIME_RULE_COLUMNS}
    FROM children c JOIN parents p ON p.id = c.parent_id
    WHERE c.id = $1 AND c.parent_id = $2`,
}

interface ChildRow extends TimeRulesRow {
  readonly name: string
  readonly birth_date: string
  readonly restricted_topics: string[]
}

/**
 * Keeps a child from being deleted until the transaction ends. Whatever changes rows of a child takes this first: its
 * deletion locks the child before its rows, and both wait in the same order. Throws CHILD_ACCESS_DENIED when it is gone.
 */
export async function holdChild(tx: Transaction, childId: string): Promise<void> {
  const held = await tx.$queryRaw<unknown[]>`SELECT 1 FROM children WHERE id = ${childId}::uuid FOR KEY SHARE`
  if (held.length === 0) throw new AppError('CHILD_ACCESS_DENIED')
}

/**
 * The one way to a child: loads it and checks that it belongs to the account, in one round trip. A child that does not
 * exist and one of another family answer alike: CHILD_ACCESS_DENIED.
 */
export async function requireChild(db: Database, accountId: string, childId: string, now: number): Promise<ActiveChild> {
  const [row] = await db.query<ChildRow & Record<string, unknown>>(FIND_CHILD, [childId, accountId])
  if (!row) throw new AppError('CHILD_ACCESS_DENIED')
  const rules = timeRulesOf(row, now)
  return {
    ...rules,
    id: childId,
    parentId: accountId,
    name: row.name,
    ageGroup: ageGroupOf(ageOn(rules.today, row.birth_date)),
    restrictedTopics: new Set(row.restricted_topics),
  }
}
