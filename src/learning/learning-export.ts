import type { ExportPart } from '../family/export.ts'

const byKey = (name: string, table: string, key: string): ExportPart => ({
  name,
  tables: [table],
  sql: `SELECT ${key} AS page_key, to_jsonb(t) AS row FROM ${table} t WHERE t.child_id = $1 AND ${key} > $2 ORDER BY 1 LIMIT $3`,
})

/** What learning holds of a child. */
export const LEARNING_EXPORT: readonly ExportPart[] = [
  byKey('learner', 'learners', 't.child_id::text'),
  byKey('conversations', 'conversations', 't.id::text'),
  byKey('messages', 'messages', `t.conversation_id::text || lpad(t.seq::text, 10, '0')`),
  byKey('topic_progress', 'topic_progress', 't.topic_id::text'),
  byKey('topic_days', 'topic_days', `t.day::text || t.topic_id::text`),
  byKey('depth_steps', 'depth_steps', `t.topic_id::text || lpad(t.depth::text, 2, '0')`),
  byKey('daily_sparks', 'daily_sparks', 't.day::text'),
  byKey('wallet', 'wallets', 't.child_id::text'),
  byKey('star_ledger', 'star_ledger', 't.reason'),
  byKey('freeze_ledger', 'freeze_ledger', 't.reason'),
  byKey('purchases', 'purchases', `t.item_id || lpad(t.number::text, 10, '0')`),
  byKey('badges', 'badges', 't.badge_id'),
  byKey('growth_evidence', 'growth_evidence', 't.message_id::text || t.skill'),
  byKey('safety_flags', 'safety_flags', 't.id::text'),
]
