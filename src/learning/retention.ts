import { type Clock, DAY } from '../platform/clock.ts'
import type { Database, Statement } from '../platform/db/database.ts'

const BATCH = 1_000

/** How long things are kept, in days after the moment that the column names. */
export const RETENTION_DAYS = {
  conversations: 730,
  idempotency_keys: 1,
  revoked_sessions: 0,
  email_links: 7,
  refresh_tokens: 7,
  sessions: 30,
  login_throttles: 1,
  sent_notices: 60,
} as const

/** The rows that may go: their key, and a condition on `$1`, the moment before which they are too old. */
const RULES: Readonly<Record<keyof typeof RETENTION_DAYS, readonly [key: string, condition: string]>> = {
  conversations: ['id', 'ended_at < $1'],
  idempotency_keys: ['(scope, key)', 'created_at < $1'],
  revoked_sessions: ['session_id', 'expires_at < $1'],
  email_links: ['token_hash', 'expires_at < $1'],
  refresh_tokens: ['token_hash', 'expires_at < $1'],
  sessions: ['id', 'expires_at < $1 AND NOT EXISTS (SELECT 1 FROM refresh_tokens r WHERE r.session_id = sessions.id)'],
  login_throttles: ['key', 'last_failure_at < $1'],
  sent_notices: ['(parent_id, kind, period)', 'sent_at < $1'],
}

/** Removes what has been kept long enough, in batches; how many rows of each table. Stars, badges and progress stay. A table that cannot be cleared keeps no other waiting. */
export async function purge(db: Database, clock: Clock, onError: (error: unknown) => void): Promise<Readonly<Record<string, number>>> {
  const now = clock.now()
  const removed: Record<string, number> = {}
  for (const table of Object.keys(RULES) as (keyof typeof RULES)[]) {
    removed[table] = 0
    try {
      for await (const rows of batches(db, table, new Date(now - RETENTION_DAYS[table] * DAY))) removed[table] += rows
    } catch (error) {
      onError(error)
    }
  }
  return removed
}

async function* batches(db: Database, table: keyof typeof RULES, before: Date): AsyncGenerator<number> {
  const [key, condition] = RULES[table]
  const statement: Statement = {
    name: `retention.${table}`,
    text: `WITH gone AS (DELETE FROM ${table} WHERE ${key} IN (SELECT ${key.replace(/[()]/g, '')} FROM ${table} WHERE ${condition} LIMIT ${BATCH}) RETURNING 1)
      SELECT count(*)::int AS rows FROM gone`,
  }
  for (;;) {
    const [result] = await db.query<{ rows: number }>(statement, [before])
    const rows = result?.rows ?? 0
    yield rows
    if (rows < BATCH) return
  }
}
