import type { LocalDate } from '../../platform/local-date.ts'
import type { StreakDays } from './streak.ts'

/** A SQL expression: a child's counted and frozen days, as `[[...], [...]]`. `child` is a parameter or column. */
export const streakDates = (child: string): string =>
  `json_build_array(
      (SELECT coalesce(json_agg(DISTINCT d.day), '[]') FROM topic_days d WHERE d.child_id = ${child} AND d.turns > 0),
      (SELECT coalesce(json_agg(f.day), '[]') FROM freeze_ledger f WHERE f.child_id = ${child} AND f.reason LIKE 'used:%'))`

export type StreakDates = readonly [counted: readonly LocalDate[], frozen: readonly LocalDate[]]

export const streakDaysOf = ([counted, frozen]: StreakDates): StreakDays => ({ counted: new Set(counted), frozen: new Set(frozen) })
