import { DAY, MINUTE, SECOND } from '../platform/clock.ts'
import { sha256 } from '../platform/crypto-box.ts'
import type { Transaction } from '../platform/db/database.ts'
import { newId, newSecret } from '../platform/ids.ts'
import type { Revocations } from './revocations.ts'
import { CHILD_TOKEN_SECONDS } from './tokens.ts'

export const REFRESH_SLIDING_MS = 30 * DAY
export const REFRESH_ABSOLUTE_MS = 180 * DAY
/** A superseded refresh token still works this long: a lost answer can be retried. */
export const ROTATION_GRACE_MS = MINUTE
/** No access token outlives its session by more than this. */
const LONGEST_TOKEN_MS = CHILD_TOKEN_SECONDS * SECOND

export type RevocationReason =
  | 'logout'
  | 'password_changed'
  | 'password_reset'
  | 'refresh_token_reused'
  | 'oauth_linked'
  | 'pin_changed'
  | 'child_deleted'
  | 'account_deleted'

const MAX_USER_AGENT = 200

/** Opens a parent's session with its first refresh token. */
export async function openSession(
  tx: Transaction,
  accountId: string,
  userAgent: string | undefined,
  now: number,
): Promise<{ sessionId: string; refreshToken: string }> {
  const sessionId = newId()
  const createdAt = new Date(now)
  await tx.session.create({
    data: {
      id: sessionId,
      accountId,
      userAgent: userAgent?.slice(0, MAX_USER_AGENT) ?? null,
      createdAt,
      lastUsedAt: createdAt,
      expiresAt: new Date(now + REFRESH_ABSOLUTE_MS),
    },
  })
  return { sessionId, refreshToken: await issueRefreshToken(tx, sessionId, now, now + REFRESH_ABSOLUTE_MS) }
}

/** A further refresh token of a session; it never outlives `latest`. */
export async function issueRefreshToken(tx: Transaction, sessionId: string, now: number, latest: number): Promise<string> {
  const token = newSecret()
  const expiresAt = new Date(Math.min(now + REFRESH_SLIDING_MS, latest))
  await tx.refreshToken.create({ data: { tokenHash: new Uint8Array(sha256(token)), sessionId, issuedAt: new Date(now), expiresAt } })
  return token
}

/** Opens a child's session: it has no refresh token and lasts as long as its token. */
export async function openChildSession(tx: Transaction, accountId: string, childId: string, userAgent: string | undefined, now: number): Promise<string> {
  const sessionId = newId()
  const createdAt = new Date(now)
  await tx.session.create({
    data: {
      id: sessionId,
      accountId,
      childId,
      userAgent: userAgent?.slice(0, MAX_USER_AGENT) ?? null,
      createdAt,
      lastUsedAt: createdAt,
      expiresAt: new Date(now + LONGEST_TOKEN_MS),
    },
  })
  return sessionId
}

/** Ends the sessions that match: their tokens, refresh tokens and sockets, on every instance, with the commit. Returns how many. */
export async function revokeSessions(
  tx: Transaction,
  revocations: Revocations,
  which: { id?: string; accountId?: string; childId?: string | { not: null }; not?: string },
  reason: RevocationReason,
  now: number,
): Promise<number> {
  const { not, ...where } = which
  const sessions = await tx.session.findMany({ where: { ...where, ...(not && { NOT: { id: not } }), revokedAt: null }, select: { id: true } })
  const ids = sessions.map((session) => session.id)
  if (ids.length === 0) return 0
  await tx.session.updateMany({ where: { id: { in: ids } }, data: { revokedAt: new Date(now), revokedReason: reason } })
  await revocations.revoke(tx, ids, new Date(now + LONGEST_TOKEN_MS))
  return ids.length
}
