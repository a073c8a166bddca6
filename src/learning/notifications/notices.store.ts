import type { Instant } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { type LocalDate, localDateAt, localMinuteAt } from '../../platform/local-date.ts'
import { type StreakDates, streakDates } from '../rewards/streak-days.ts'

/** Kinds of notice, named as the settings that turn them off. */
export const NOTICES = ['email_digest', 'streak_reminders'] as const
export type Notice = (typeof NOTICES)[number]

export interface Addressee {
  readonly id: string
  readonly email: string
  readonly display_name: string
}

export type ReminderRow = Addressee & { children: { name: string; streak_dates: StreakDates }[] }

const ZONES: Statement = { name: 'notices.zones', text: 'SELECT DISTINCT timezone FROM parents' }

/** Parents of a time zone with a verified address, who want the notice and have not had it for its period. */
const WAITING = `p.timezone = $1 AND a.email_verified_at IS NOT NULL AND coalesce((p.settings->'notifications'->>$2)::boolean, true)
      AND NOT EXISTS (SELECT 1 FROM sent_notices s WHERE s.parent_id = p.id AND s.kind = $2 AND s.period = $3)`

const FOR_DIGEST: Statement = {
  name: 'notices.for_digest',
  text: `
    SELECT p.id, p.display_name, a.email FROM parents p JOIN accounts a ON a.id = p.id
    WHERE ${WAITING} AND EXISTS (SELECT 1 FROM children c WHERE c.parent_id = p.id) AND p.id > $4 ORDER BY p.id LIMIT $5`,
}

// Children whose streak lived yesterday and who have not learned today.
const FOR_REMINDER: Statement = {
  name: 'notices.for_reminder',
  text: `
    SELECT p.id, p.display_name, a.email,
      json_agg(json_build_object('name', c.name, 'streak_dates', ${streakDates('c.id')}) ORDER BY c.created_at, c.id) AS children
    FROM parents p JOIN accounts a ON a.id = p.id JOIN children c ON c.parent_id = p.id
    WHERE ${WAITING} AND p.id > $4 AND c.paused_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM topic_days d WHERE d.child_id = c.id AND d.day = $3::date AND d.turns > 0)
      AND NOT EXISTS (SELECT 1 FROM freeze_ledger f WHERE f.child_id = c.id AND f.reason = 'used:' || $3)
      AND (EXISTS (SELECT 1 FROM topic_days d WHERE d.child_id = c.id AND d.day = $3::date - 1 AND d.turns > 0)
        OR EXISTS (SELECT 1 FROM freeze_ledger f WHERE f.child_id = c.id AND f.reason = 'used:' || ($3::date - 1)::text))
    GROUP BY p.id, a.email ORDER BY p.id LIMIT $5`,
}

const CLAIM: Statement = {
  name: 'notices.claim',
  text: 'INSERT INTO sent_notices (parent_id, kind, period, sent_at) SELECT id, $2, $3, $4 FROM parents WHERE id = $1 ON CONFLICT DO NOTHING RETURNING parent_id',
}
const UNCLAIM: Statement = { name: 'notices.unclaim', text: 'DELETE FROM sent_notices WHERE parent_id = $1 AND kind = $2 AND period = $3' }
const TURN_OFF: Statement = {
  name: 'notices.turn_off',
  text: `UPDATE parents SET settings = jsonb_set(jsonb_set('{"notifications":{}}'::jsonb || settings, '{notifications}', coalesce(settings->'notifications', '{}')),
      ARRAY['notifications', $2], 'false'), updated_at = $3 WHERE id = $1`,
}

const NOBODY = '00000000-0000-0000-0000-000000000000'
const PAGE = 200

export interface LocalEvening {
  readonly timezone: string
  readonly day: LocalDate
}

export function noticesStore(db: Database) {
  async function* pages<Row extends Addressee>(statement: Statement, values: readonly unknown[]): AsyncGenerator<Row> {
    let after = NOBODY
    for (;;) {
      const rows = await db.query<Row & Record<string, unknown>>(statement, [...values, after, PAGE])
      yield* rows
      if (rows.length < PAGE) return
      after = (rows.at(-1) as Row).id
    }
  }

  return {
    /** The time zones of parents where the wall clock stands between two hours now, with their day. */
    async evenings(now: Instant, fromHour: number, toHour: number): Promise<LocalEvening[]> {
      const zones = await db.query<{ timezone: string }>(ZONES, [])
      return zones.flatMap(({ timezone }) => {
        const hour = localMinuteAt(now, timezone) / 60
        return hour >= fromHour && hour < toHour ? [{ timezone, day: localDateAt(now, timezone) }] : []
      })
    },
    forDigest: ({ timezone, day }: LocalEvening): AsyncGenerator<Addressee> => pages<Addressee>(FOR_DIGEST, [timezone, 'email_digest', day]),
    forReminder: ({ timezone, day }: LocalEvening): AsyncGenerator<ReminderRow> => pages<ReminderRow>(FOR_REMINDER, [timezone, 'streak_reminders', day]),
    /** False when another instance has taken it. */
    async claim(parentId: string, kind: Notice, period: string, now: Instant): Promise<boolean> {
      return (await db.query(CLAIM, [parentId, kind, period, new Date(now)])).length === 1
    },
    async unclaim(parentId: string, kind: Notice, period: string): Promise<void> {
      await db.query(UNCLAIM, [parentId, kind, period])
    },
    async turnOff(parentId: string, kind: Notice, now: Instant): Promise<void> {
      await db.query(TURN_OFF, [parentId, kind, new Date(now)])
    },
  }
}
export type NoticesStore = ReturnType<typeof noticesStore>
