import { MINUTE, SECOND } from '../platform/clock.ts'
import type { Database, Statement } from '../platform/db/database.ts'
import { AppError } from '../platform/http/errors.ts'

const WINDOW_MS = 15 * MINUTE
export const FREE_FAILURES = 10
/** Once an account has failed ten times in the window, one attempt in this time. */
const SLOW_INTERVAL_MS = 30 * SECOND

// Counts an attempt as failed before it is checked, in one statement: guesses sent together cannot all slip past.
const TAKE: Statement = {
  name: 'throttle.take',
  text: `
    INSERT INTO login_throttles AS t (key, failures, window_started_at, last_failure_at) VALUES ($1, 1, $2, $2)
    ON CONFLICT (key) DO UPDATE SET
      failures = CASE WHEN t.window_started_at <= $3 THEN 1 ELSE t.failures + 1 END,
      window_started_at = CASE WHEN t.window_started_at <= $3 THEN $2 ELSE t.window_started_at END,
      last_failure_at = $2
    WHERE t.window_started_at <= $3 OR t.failures < $4 OR t.last_failure_at <= $5
    RETURNING failures`,
}
const READ: Statement = { name: 'throttle.read', text: 'SELECT last_failure_at FROM login_throttles WHERE key = $1' }
const CLEAR: Statement = { name: 'throttle.clear', text: 'DELETE FROM login_throttles WHERE key = $1' }

/**
 * Slows down guessing at one account from many addresses. `key` is a keyed hash of the e-mail, so that unknown
 * addresses are treated alike and none can be read from the table.
 */
export function loginThrottle(db: Database) {
  return {
    /** Counts an attempt, as a failure until `clear` says otherwise. Throws 429 while the account is slowed down. */
    async take(key: Buffer, now: number): Promise<void> {
      const values = [key, new Date(now), new Date(now - WINDOW_MS), FREE_FAILURES, new Date(now - SLOW_INTERVAL_MS)]
      if ((await db.query(TAKE, values)).length > 0) return
      const [row] = await db.query<{ last_failure_at: Date }>(READ, [key])
      const waitMs = (row?.last_failure_at.getTime() ?? now) + SLOW_INTERVAL_MS - now
      throw new AppError('RATE_LIMITED', { retryAfter: Math.max(1, Math.ceil(waitMs / SECOND)) })
    },
    async clear(key: Buffer): Promise<void> {
      await db.query(CLEAR, [key])
    },
  }
}
export type LoginThrottle = ReturnType<typeof loginThrottle>
