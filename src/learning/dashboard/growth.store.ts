import type { Database, Statement } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import { addDays, type LocalDate } from '../../platform/local-date.ts'
import { EVIDENCE_DAYS, type EvidenceDay, type Skill } from '../progress/growth.ts'
import type { Period } from './dashboard.store.ts'

/** The first local day whose evidence still counted when a period began. */
export const evidenceFrom = (period: Period): LocalDate => addDays(period.from, -EVIDENCE_DAYS)

/**
 * A SQL expression: a child's evidence since a day, as rows of EvidenceDay. What a parent has dismissed counts for nothing,
 * nor does what is kept from the family: a score that nobody can explain would tell of it. Whatever is kept so has a flag,
 * by which it is found without reading every message of the child.
 */
export const evidenceDays = (child: string, from: string): string =>
  `(SELECT coalesce(json_agg(json_build_array(d.skill, d.day, d.weight)), '[]') FROM (
        SELECT g.skill, g.day, sum(g.weight) AS weight FROM growth_evidence g WHERE g.child_id = ${child} AND g.day >= ${from} AND g.dismissed_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM safety_flags f JOIN messages w ON w.id = f.message_id WHERE f.child_id = ${child} AND w.id = g.message_id AND w.withheld)
        GROUP BY g.skill, g.day) d)`

// Both are read by one statement, so that what is listed makes up what is summed even while somebody dismisses.
const EXPLAINED: Statement = {
  name: 'growth.explained',
  text: `
    SELECT ${evidenceDays('$1', '$2::date')} AS evidence,
      (SELECT coalesce(json_agg(i ORDER BY i.created_at DESC, i.message_id DESC, i.skill DESC), '[]') FROM (
        SELECT g.message_id, g.skill, g.day, g.weight, g.dismissed_at, m.conversation_id, c.topic_id, m.content, m.is_free_form, m.created_at
        FROM messages m JOIN growth_evidence g ON g.message_id = m.id JOIN conversations c ON c.id = m.conversation_id
        WHERE m.child_id = $1 AND NOT m.withheld AND g.day >= $2::date AND g.skill = ANY($3)
          AND m.created_at <= $4 AND (m.created_at, m.id, g.skill) < ($4, $5::uuid, $6)
        ORDER BY m.created_at DESC, m.id DESC, g.skill DESC LIMIT $7) i) AS items`,
}

// The child is locked first, as its deletion does. No row when the child is gone; one of nulls when there is no such evidence.
const DISMISS: Statement = {
  name: 'growth.dismiss',
  text: `
    WITH child AS (
      SELECT id FROM children WHERE id = $1 FOR KEY SHARE
    ), evidence AS (
      UPDATE growth_evidence g SET dismissed_at = CASE WHEN $4 THEN coalesce(g.dismissed_at, $5) END FROM child, messages m
      WHERE g.child_id = child.id AND g.message_id = $2 AND g.skill = $3 AND m.id = g.message_id AND NOT m.withheld
      RETURNING g.message_id, g.dismissed_at
    )
    SELECT e.message_id, e.dismissed_at FROM child LEFT JOIN evidence e ON true`,
}

export type EvidenceRow = {
  message_id: string
  skill: Skill
  day: LocalDate
  weight: number
  dismissed_at: string | null
  conversation_id: string
  topic_id: string
  content: string
  is_free_form: boolean
  created_at: string
}

export interface EvidenceFilter {
  readonly skills: readonly Skill[]
  readonly after: { readonly createdAt: Date; readonly messageId: string; readonly skill: Skill } | undefined
  readonly limit: number
}

export function growthStore(db: Database) {
  return {
    /** All evidence that counts, summed by day, and a page of it with what is dismissed, newest first. */
    async explained(childId: string, period: Period, { skills, after, limit }: EvidenceFilter): Promise<{ evidence: EvidenceDay[]; items: EvidenceRow[] }> {
      const position = after ? [after.createdAt, after.messageId, after.skill] : ['infinity', null, null]
      const [row] = await db.query<{ evidence: EvidenceDay[]; items: EvidenceRow[] }>(EXPLAINED, [childId, evidenceFrom(period), skills, ...position, limit])
      return row as { evidence: EvidenceDay[]; items: EvidenceRow[] }
    },

    /** Dismisses evidence or takes that back; since when it is dismissed. Throws NOT_FOUND, and CHILD_ACCESS_DENIED when the child is gone. */
    async dismiss(childId: string, messageId: string, skill: Skill, isDismissed: boolean, at: Date): Promise<Date | null> {
      const [row] = await db.query<{ message_id: string | null; dismissed_at: Date | null }>(DISMISS, [childId, messageId, skill, isDismissed, at])
      if (!row) throw new AppError('CHILD_ACCESS_DENIED')
      if (row.message_id === null) throw new AppError('NOT_FOUND')
      return row.dismissed_at
    },
  }
}
export type GrowthStore = ReturnType<typeof growthStore>
