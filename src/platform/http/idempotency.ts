import { type Clock, DAY, SECOND } from '../clock.ts'
import type { CryptoBox } from '../crypto-box.ts'
import type { Database, Statement } from '../db/database.ts'
import { newId } from '../ids.ts'
import { AppError, invalidField } from './errors.ts'

/** How long a key is remembered, and how long a claim holds after its holder stopped renewing it. */
export const KEY_LIFETIME_MS = DAY
export const CLAIM_LEASE_MS = 15 * SECOND
const RENEW_EVERY_MS = 5 * SECOND
const KEY_PATTERN = /^[\x21-\x7e]{1,255}$/

/** What makes two requests the same: anything else under one key is refused. */
export interface Fingerprint {
  readonly method: string
  readonly path: string
  readonly childId: string | undefined
  readonly body: unknown
}

export interface StoredResponse {
  readonly status: number
  readonly body: string
}

export type Claim =
  | { readonly state: 'replay'; readonly response: StoredResponse }
  /** Ours to carry out, under the id that a retry after a crash will be given again. */
  | { readonly state: 'claimed'; readonly operationId: string; finish(response: StoredResponse): Promise<void>; abandon(): Promise<void> }

/** Remembers the first response of a request by its Idempotency-Key. Responses are stored encrypted. */
export interface IdempotencyStore {
  /** Throws 422 when the key was used for something else and 409 while the first request is still being carried out. */
  claim(scope: string, key: string, fingerprint: Fingerprint): Promise<Claim>
  /** The scope of callers without an account: whoever claims the same e-mail, or sends the same body. */
  anonymousScope(claimed: string): string
  /** The scopes of a claim under every key, newest first. */
  anonymousScopes(claimed: string): readonly string[]
}

const CLAIM: Statement = {
  name: 'idempotency.claim',
  // One statement: a new or expired key is taken, a known one whose lease ran out without a response is taken over.
  text: `
    WITH claimed AS (
      INSERT INTO idempotency_keys AS k (scope, key, operation_id, child_id, fingerprint, locked_until, created_at)
      VALUES ($1, $2, $3, (SELECT id FROM children WHERE id = $4::uuid), $5, $6, $7)
      ON CONFLICT (scope, key) DO UPDATE SET
        operation_id = CASE WHEN k.created_at <= $8 THEN excluded.operation_id ELSE k.operation_id END,
        child_id = CASE WHEN k.created_at <= $8 THEN excluded.child_id ELSE k.child_id END,
        fingerprint = CASE WHEN k.created_at <= $8 THEN excluded.fingerprint ELSE k.fingerprint END,
        status = NULL, response = NULL, locked_until = excluded.locked_until,
        created_at = CASE WHEN k.created_at <= $8 THEN excluded.created_at ELSE k.created_at END
      WHERE k.created_at <= $8 OR (k.fingerprint = ANY ($9::bytea[]) AND k.status IS NULL AND k.locked_until <= $7)
      RETURNING operation_id
    )
    SELECT (SELECT operation_id FROM claimed) AS claimed, k.fingerprint, k.status, k.response
    FROM (SELECT 1) AS one LEFT JOIN idempotency_keys k ON k.scope = $1 AND k.key = $2`,
}
const FINISH: Statement = {
  name: 'idempotency.finish',
  text: 'UPDATE idempotency_keys SET status = $4, response = $5 WHERE scope = $1 AND key = $2 AND operation_id = $3',
}
const RENEW: Statement = {
  name: 'idempotency.renew',
  text: 'UPDATE idempotency_keys SET locked_until = $4 WHERE scope = $1 AND key = $2 AND operation_id = $3 AND status IS NULL',
}
const ABANDON: Statement = {
  name: 'idempotency.abandon',
  text: 'DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND operation_id = $3 AND status IS NULL',
}

interface ClaimRow {
  readonly claimed: string | null
  readonly fingerprint: Buffer | null
  readonly status: number | null
  readonly response: Buffer | null
}

const scopeOf = (digest: Buffer): string => `anonymous:${digest.toString('base64url')}`

export function idempotencyStore(db: Database, clock: Clock, box: CryptoBox): IdempotencyStore {
  return {
    anonymousScope: (claimed) => scopeOf(box.fingerprint(claimed)),
    anonymousScopes: (claimed) => box.fingerprints(claimed).map(scopeOf),

    async claim(scope, key, fingerprint) {
      const now = clock.now()
      const digests = fingerprintDigests(box, fingerprint)
      const [row] = await db.query<ClaimRow & Record<string, unknown>>(CLAIM, [
        ...[scope, key, newId(), fingerprint.childId ?? null, digests[0]],
        ...[new Date(now + CLAIM_LEASE_MS), new Date(now), new Date(now - KEY_LIFETIME_MS), digests],
      ])
      if (row?.claimed) return claimOf(db, clock, box, [scope, key, row.claimed])
      if (!row?.fingerprint) throw new AppError('CONFLICT', { message: 'A request with this Idempotency-Key is being carried out' })
      const { fingerprint: used } = row
      if (!digests.some((digest) => digest.equals(used))) {
        throw new AppError('UNPROCESSABLE_ENTITY', { message: 'This Idempotency-Key was used for a different request' })
      }
      if (row.status === null || !row.response) {
        throw new AppError('CONFLICT', { message: 'A request with this Idempotency-Key is being carried out' })
      }
      return { state: 'replay', response: { status: row.status, body: box.open(row.response) } }
    },
  }
}

function claimOf(db: Database, clock: Clock, box: CryptoBox, id: [scope: string, key: string, operationId: string]): Claim {
  const renewal = setInterval(() => void db.query(RENEW, [...id, new Date(clock.now() + CLAIM_LEASE_MS)]).catch(() => {}), RENEW_EVERY_MS)
  renewal.unref()
  return {
    state: 'claimed',
    operationId: id[2],
    async finish({ status, body }) {
      clearInterval(renewal)
      await db.query(FINISH, [...id, status, box.seal(body)])
    },
    async abandon() {
      clearInterval(renewal)
      await db.query(ABANDON, id)
    },
  }
}

/** The Idempotency-Key of a request: 1 to 255 visible ASCII characters, or none. */
export function readIdempotencyKey(header: string | string[] | undefined, field = 'Idempotency-Key'): string | undefined {
  if (header === undefined) return undefined
  if (typeof header !== 'string' || !KEY_PATTERN.test(header)) throw invalidField(field, 'Must be 1 to 255 visible ASCII characters')
  return header
}

/** Keyed hashes (a body may hold a password) over method, path, child and the body with its keys sorted. */
function fingerprintDigests(box: CryptoBox, { method, path, childId, body }: Fingerprint): readonly Buffer[] {
  return box.fingerprints(JSON.stringify([method, path, childId ?? null, sorted(body ?? null)]))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, child]) => [key, sorted(child)]),
  )
}
