import { z } from 'zod'
import { isoSeconds } from '../platform/clock.ts'
import type { Transaction } from '../platform/db/database.ts'
import { Timestamp } from '../platform/http/envelope.ts'
import { newId } from '../platform/ids.ts'
import { CATEGORIES } from './moderation/moderation.ts'

/** Who is told of a flag: the family, or those who answer for child protection where the family may be the danger. */
export type Audience = 'family' | 'safeguarding'

export interface SafetyFlag {
  readonly id: string
  readonly childId: string
  readonly conversationId: string
  readonly messageId: string
  readonly category: string
  readonly severity: string
  readonly action: string
  readonly createdAt: Date
  /** When a grown-up first said that they had seen it. */
  readonly acknowledgedAt: Date | null
}

const CATEGORY_TEXT = `${CATEGORIES.map((category) => `\`${category}\``).join(', ')}; \`conduct\`: a model was about to say what no tutor may; \`reported\`: the child pointed at this reply. Others may come.`
const ACTION_TEXT =
  '`masked`: crossed out; `redirected`: not answered; `crisis_script`: answered with words of help; `replaced`: not said, the builtin tutor went on; `shown_to_parent`: the parent looks at it'

export const SafetyFlagView = z
  .object({
    id: z.uuid(),
    child_id: z.uuid(),
    conversation_id: z.uuid(),
    message_id: z.uuid(),
    category: z.string().meta({ description: CATEGORY_TEXT }),
    severity: z.string().meta({ description: '`low`, `medium` or `high`, which is mailed too' }),
    action: z.string().meta({ description: ACTION_TEXT }),
    created_at: Timestamp,
    acknowledged_at: Timestamp.nullable().meta({ description: 'When a parent first marked it as seen' }),
  })
  .meta({ id: 'SafetyFlag' })

export const toSafetyFlagView = (flag: SafetyFlag): z.infer<typeof SafetyFlagView> => ({
  id: flag.id,
  child_id: flag.childId,
  conversation_id: flag.conversationId,
  message_id: flag.messageId,
  category: flag.category,
  severity: flag.severity,
  action: flag.action,
  created_at: isoSeconds(flag.createdAt),
  acknowledged_at: flag.acknowledgedAt && isoSeconds(flag.acknowledgedAt),
})

/** The columns of a flag, for `flagOf`. */
export const FLAG_COLUMNS = 'f.id, f.child_id, f.conversation_id, f.message_id, f.category, f.severity, f.action, f.created_at, f.acknowledged_at'

/** A flag as SQL gives it: times are text where it comes inside JSON. */
export type FlagRow = {
  id: string
  child_id: string
  conversation_id: string
  message_id: string
  category: string
  severity: string
  action: string
  created_at: Date | string
  acknowledged_at: Date | string | null
}

export const flagOf = (row: FlagRow): SafetyFlag => ({
  id: row.id,
  childId: row.child_id,
  conversationId: row.conversation_id,
  messageId: row.message_id,
  category: row.category,
  severity: row.severity,
  action: row.action,
  createdAt: new Date(row.created_at),
  acknowledgedAt: row.acknowledged_at === null ? null : new Date(row.acknowledged_at),
})

/** A SQL condition: the message with this id is kept from the family. */
export const isWithheld = (messageId: string): string => `EXISTS (SELECT 1 FROM messages w WHERE w.id = ${messageId} AND w.withheld)`

/** A SQL condition on a row of safety_flags: the family may know of it. Of a message that is kept from them it learns nothing, whatever else was found in it. */
export const isForFamily = (flag: string): string => `${flag}.audience = 'family' AND NOT ${isWithheld(`${flag}.message_id`)}`

/** A SQL expression: the flags of a conversation that its family is shown, oldest first, as JSON rows. */
export const flagsShownIn = (conversationId: string): string =>
  `(SELECT coalesce(json_agg(s ORDER BY s.created_at, s.id), '[]') FROM (SELECT ${FLAG_COLUMNS} FROM safety_flags f
        WHERE f.conversation_id = ${conversationId} AND ${isForFamily('f')}) s)`

/** SQL that marks the flag $1 as seen at $2 where `isTheirs` holds of the flag `f` and its child `k`; again changes nothing. */
export const acknowledging = (isTheirs: string): string => `
    WITH child AS (
      SELECT k.id FROM safety_flags f JOIN children k ON k.id = f.child_id WHERE f.id = $1 AND ${isTheirs} FOR KEY SHARE OF k
    )
    UPDATE safety_flags f SET acknowledged_at = coalesce(f.acknowledged_at, $2) FROM child WHERE f.id = $1 AND f.child_id = child.id RETURNING ${FLAG_COLUMNS}`

/** Raises a flag on a message, for the family unless it says otherwise; a second one of the same category changes nothing. */
export async function raiseFlag(
  tx: Transaction,
  flag: {
    readonly childId: string
    readonly conversationId: string
    readonly messageId: string
    readonly category: string
    readonly severity: string
    readonly action: string
    readonly audience?: Audience
  },
  at: Date,
): Promise<void> {
  await tx.safetyFlag.createMany({ data: { ...flag, id: newId(), createdAt: at }, skipDuplicates: true })
}
