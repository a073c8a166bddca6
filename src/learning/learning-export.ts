import type { ExportPart } from '../family/export.ts'
import { isForFamily, isWithheld } from '../safety/flags.ts'
import { toldTurns, withheldMessages, withheldTurns } from './conversations/conversation.ts'

/** Rows that a family learns nothing of, by table: conditions on `t`. No export tells of them and no receipt of erasure counts them. */
export const UNTOLD: Readonly<Record<string, string>> = {
  messages: 't.withheld',
  growth_evidence: isWithheld('t.message_id'),
  safety_flags: `NOT (${isForFamily('t')})`,
}

/** `changes` are put in place of columns that would give away what is untold, or hold nothing of the child. */
const byKey = (name: string, table: string, key: string, changes = ''): ExportPart => ({
  name,
  tables: [table],
  sql: `SELECT ${key} AS page_key, to_jsonb(t)${changes} AS row FROM ${table} t
    WHERE t.child_id = $1 AND NOT (${UNTOLD[table] ?? 'false'}) AND ${key} > $2 ORDER BY 1 LIMIT $3`,
})

const unlessWithheld = (column: string): string => `'${column}', CASE WHEN NOT ${isWithheld(`t.${column}`)} THEN t.${column} END`

/** What learning holds of a child. Counts and places are those of the messages that are told. */
export const LEARNING_EXPORT: readonly ExportPart[] = [
  byKey('learner', 'learners', 't.child_id::text', ` || jsonb_build_object('child_turns', t.child_turns - ${withheldTurns('t.child_id')})`),
  byKey(
    'conversations',
    'conversations',
    't.id::text',
    // What was offered last stands with the message that offered it.
    ` - 'offered' || jsonb_build_object('child_turns', ${toldTurns('t')}, 'next_seq', t.next_seq - ${withheldMessages('t.child_id', 't.id')}, ${unlessWithheld('pending_message_id')})`,
  ),
  byKey(
    'messages',
    'messages',
    `t.conversation_id::text || lpad(t.seq::text, 10, '0')`,
    ` - 'withheld' || jsonb_build_object('seq', t.seq - ${withheldMessages('t.child_id', 't.conversation_id', ' AND w.seq < t.seq')})`,
  ),
  byKey('topic_progress', 'topic_progress', 't.topic_id::text'),
  byKey(
    'topic_days',
    'topic_days',
    `t.day::text || t.topic_id::text`,
    ` || jsonb_build_object('turns', t.turns - (SELECT count(*) FROM messages w JOIN conversations c ON c.id = w.conversation_id JOIN children k ON k.id = w.child_id
      JOIN parents p ON p.id = k.parent_id WHERE w.child_id = t.child_id AND w.withheld AND w.role = 'user' AND c.topic_id = t.topic_id
      AND (w.created_at AT TIME ZONE p.timezone)::date = t.day))`,
  ),
  byKey('depth_steps', 'depth_steps', `t.topic_id::text || lpad(t.depth::text, 2, '0')`, ` || jsonb_build_object(${unlessWithheld('message_id')})`),
  byKey('daily_sparks', 'daily_sparks', 't.day::text'),
  byKey('wallet', 'wallets', 't.child_id::text'),
  byKey('star_ledger', 'star_ledger', 't.reason'),
  byKey('freeze_ledger', 'freeze_ledger', 't.reason'),
  byKey('purchases', 'purchases', `t.item_id || lpad(t.number::text, 10, '0')`),
  byKey('badges', 'badges', 't.badge_id', ` || jsonb_build_object(${unlessWithheld('message_id')})`),
  byKey('growth_evidence', 'growth_evidence', 't.message_id::text || t.skill'),
  byKey('safety_flags', 'safety_flags', 't.id::text', ` - ARRAY['audience', 'held_until', 'mail_failures']`),
]
