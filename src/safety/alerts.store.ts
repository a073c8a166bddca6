import { HOUR, type Instant, MINUTE } from '../platform/clock.ts'
import type { Database, Statement } from '../platform/db/database.ts'
import { type Audience, isForFamily } from './flags.ts'

/** Whoever has claimed flags and not said within this time what became of them has died: they are mailed again. Longer than any mail takes to leave. */
export const LEASE_MS = 5 * MINUTE
/** A flag that nobody has acknowledged is mailed once more after this time. */
const REPEAT_MS = 24 * HOUR

/** Flags of one child that one mail is due for. */
export interface WaitingAlert {
  readonly audience: Audience
  readonly childId: string
  /** That they have been mailed before. */
  readonly isReminder: boolean
}

/** Flags that nobody else mails until the lease has run out. */
export interface Alert extends WaitingAlert {
  readonly leaseUntil: Instant
  readonly childName: string
  readonly parentName: string
  readonly timezone: string
  /** The parent's address. */
  readonly email: string
  /** How often in a row the mail could not be sent. */
  readonly failures: number
  /** Oldest first. */
  readonly flags: readonly { readonly id: string; readonly conversationId: string; readonly createdAt: Date }[]
}

const UNSEEN = `f.acknowledged_at IS NULL AND f.reminded_at IS NULL AND (f.alerted_at IS NULL OR f.alerted_at <= $2) AND (f.held_until IS NULL OR f.held_until <= $1)`

/** Conditions on a flag `f` and the account `a` of its parent, at $1, when what was mailed by $2 is repeated. Disclosures are told whatever their severity. */
const DUE: Readonly<Record<Audience, string>> = {
  family: `f.severity = 'high' AND ${isForFamily('f')} AND a.email_verified_at IS NOT NULL AND ${UNSEEN}`,
  safeguarding: `f.audience = 'safeguarding' AND ${UNSEEN}`,
}

const forEach = (statement: (audience: Audience) => Statement): Readonly<Record<Audience, Statement>> => ({
  family: statement('family'),
  safeguarding: statement('safeguarding'),
})

// What has failed gives way to what has not been tried.
const WAITING = forEach((audience) => ({
  name: `alerts.waiting_${audience}`,
  text: `
    SELECT f.child_id, f.alerted_at IS NOT NULL AS is_reminder FROM safety_flags f JOIN children k ON k.id = f.child_id JOIN accounts a ON a.id = k.parent_id
    WHERE ${DUE[audience]} GROUP BY 1, 2 ORDER BY min(f.mail_failures), is_reminder, min(f.created_at) LIMIT $3`,
}))

// The child is held more firmly than a turn holds it: instances that come together take its flags as a whole, one after the other.
const CLAIM = forEach((audience) => ({
  name: `alerts.claim_${audience}`,
  text: `
    WITH a AS MATERIALIZED (
      SELECT k.id, k.name, p.display_name, p.timezone, a.email, a.email_verified_at
      FROM children k JOIN parents p ON p.id = k.parent_id JOIN accounts a ON a.id = k.parent_id WHERE k.id = $3 FOR NO KEY UPDATE OF k
    ), claimed AS (
      UPDATE safety_flags f SET held_until = $5 FROM a WHERE f.child_id = a.id AND (f.alerted_at IS NOT NULL) = $4 AND ${DUE[audience]}
      RETURNING f.id, f.conversation_id, f.created_at, f.mail_failures
    )
    SELECT a.name, a.display_name, a.timezone, a.email, max(c.mail_failures) AS failures,
      json_agg(json_build_object('id', c.id, 'conversationId', c.conversation_id, 'createdAt', c.created_at) ORDER BY c.created_at, c.id) AS flags
    FROM a, claimed c GROUP BY 1, 2, 3, 4`,
}))

/** Changes claimed flags ($2) of a child ($1), unless the lease ($3) has been lost. */
const settling = (changes: string): string => `
    WITH child AS (
      SELECT id FROM children WHERE id = $1 FOR KEY SHARE
    )
    UPDATE safety_flags f SET ${changes} FROM child WHERE f.child_id = child.id AND f.id = ANY($2::uuid[]) AND f.held_until = $3`

const SENT: Statement = {
  name: 'alerts.sent',
  text: settling(`alerted_at = coalesce(f.alerted_at, $4), reminded_at = CASE WHEN f.alerted_at IS NOT NULL THEN $4::timestamptz END,
      held_until = NULL, mail_failures = 0`),
}
const GIVE_BACK: Statement = { name: 'alerts.give_back', text: settling('held_until = $4, mail_failures = $5') }

type ClaimedRow = {
  name: string
  display_name: string
  timezone: string
  email: string
  failures: number
  flags: { id: string; conversationId: string; createdAt: string }[]
}

const claimOf = ({ childId, flags, leaseUntil }: Alert): unknown[] => [childId, flags.map((flag) => flag.id), new Date(leaseUntil)]

/**
 * Which flags are still to be mailed. A claim is a lease and what was sent is written down after it was sent: a crash in
 * between means a second mail when the lease has run out, never none.
 */
export function alertsStore(db: Database) {
  return {
    /** Children with flags that a mail is due for now. */
    async waiting(audience: Audience, now: Instant, limit: number): Promise<WaitingAlert[]> {
      const rows = await db.query<{ child_id: string; is_reminder: boolean }>(WAITING[audience], [new Date(now), new Date(now - REPEAT_MS), limit])
      return rows.map((row) => ({ audience, childId: row.child_id, isReminder: row.is_reminder }))
    },

    /** All flags of the child that are due now; undefined when another instance has them, or there is nothing to tell any more. */
    async claim(waiting: WaitingAlert, now: Instant): Promise<Alert | undefined> {
      const leaseUntil = now + LEASE_MS
      const { audience, childId, isReminder } = waiting
      const [row] = await db.query<ClaimedRow>(CLAIM[audience], [new Date(now), new Date(now - REPEAT_MS), childId, isReminder, new Date(leaseUntil)])
      return (
        row && {
          ...{ ...waiting, leaseUntil, childName: row.name, parentName: row.display_name, timezone: row.timezone, email: row.email, failures: row.failures },
          flags: row.flags.map((flag) => ({ ...flag, createdAt: new Date(flag.createdAt) })),
        }
      )
    },

    async sent(alert: Alert, now: Instant): Promise<void> {
      await db.query(SENT, [...claimOf(alert), new Date(now)])
    },

    /** Lets go of what could not be sent; nobody tries before `retryAt`. */
    async giveBack(alert: Alert, retryAt: Instant): Promise<void> {
      await db.query(GIVE_BACK, [...claimOf(alert), new Date(retryAt), alert.failures + 1])
    },
  }
}
export type AlertsStore = ReturnType<typeof alertsStore>
