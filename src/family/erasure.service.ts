import { createHash } from 'node:crypto'
import { verifySecret } from '../identity/passwords.ts'
import type { Revocations } from '../identity/revocations.ts'
import { revokeSessions } from '../identity/sessions.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Transaction } from '../platform/db/database.ts'
import { AppError, invalidField } from '../platform/http/errors.ts'
import { newId } from '../platform/ids.ts'

/** What was erased. It holds nothing of it but counts, and a digest of the id that only who knows the id can match. */
export interface ErasureReceipt {
  readonly id: string
  /** SHA-256 in hex of the id of what was erased. */
  readonly subjectHash: string
  readonly erasedAt: Date
  /** Rows removed, by table; tables that held none are left out, and so are rows that a family learns nothing of. */
  readonly removed: Readonly<Record<string, number>>
  /** Rows that still name the child when all is done: 0. */
  readonly remaining: number
}

/** How somebody proves that they mean it: the password, or the e-mail where the account has no password. */
export interface Farewell {
  readonly password?: string | undefined
  readonly email?: string | undefined
}

export interface ErasureDeps {
  readonly db: Database
  readonly clock: Clock
  readonly revocations: Revocations
  /** Under which the answers to callers without a token are kept, by the e-mail they named. */
  readonly anonymousScopes: (email: string) => readonly string[]
  /** Rows that a family learns nothing of, by table: conditions on `t`. They are removed like the others and counted in no receipt. */
  readonly untold: Readonly<Record<string, string>>
}

/** Counts by table, added up; tables without any are left out. */
function added(...counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [table, rows] of counts.flatMap((count) => Object.entries(count))) if (rows > 0) sums[table] = (sums[table] ?? 0) + rows
  return sums
}

const subjectHash = (id: string): string => createHash('sha256').update(id).digest('hex')

export function erasureService({ db, clock, revocations, anonymousScopes, untold }: ErasureDeps) {
  /** Counts by table the rows of children, in every table of the live schema that has a column for them; without those that match `leftOut`. */
  async function rowsOf(tx: Transaction, childIds: readonly string[], leftOut: Readonly<Record<string, string>>): Promise<Record<string, number>> {
    const tables = await tx.$queryRaw<{ name: string }[]>`
      SELECT table_name AS name FROM information_schema.columns WHERE table_schema = current_schema() AND column_name = 'child_id' ORDER BY table_name`
    const counts: Record<string, number> = {}
    for (const { name, column } of [{ name: 'children', column: 'id' }, ...tables.map((table) => ({ ...table, column: 'child_id' }))]) {
      const sql = `SELECT count(*)::int AS rows FROM "${name}" t WHERE t."${column}" = ANY($1::uuid[]) AND NOT (${leftOut[name] ?? 'false'})`
      const [row] = await tx.$queryRawUnsafe<{ rows: number }[]>(sql, childIds)
      if (row && row.rows > 0) counts[name] = row.rows
    }
    return counts
  }

  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((total, count) => total + count, 0)

  /** Ends the sessions of children and removes them with everything that belongs to them, the stored answers of their creation too. */
  async function removeChildren(tx: Transaction, childIds: readonly string[], now: number): Promise<Record<string, number>> {
    const answers = await tx.idempotencyKey.deleteMany({ where: { operationId: { in: [...childIds] } } })
    for (const childId of childIds) {
      await revokeSessions(tx, revocations, { childId }, 'child_deleted', now)
      await revocations.denyChild(tx, childId)
    }
    const removed = await rowsOf(tx, childIds, untold)
    await tx.child.deleteMany({ where: { id: { in: [...childIds] } } })
    return added(removed, { idempotency_keys: answers.count })
  }

  return {
    /** Removes a child with everything that belongs to it, and leaves a receipt with its parent. */
    async eraseChild(parentId: string, childId: string): Promise<void> {
      const now = clock.now()
      await db.transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1 FROM children WHERE id = ${childId}::uuid FOR UPDATE`
        const removed = await removeChildren(tx, [childId], now)
        if (!removed.children) return
        const remaining = sum(await rowsOf(tx, [childId], {}))
        await tx.erasureReceipt.create({ data: { id: newId(), parentId, subjectHash: subjectHash(childId), erasedAt: new Date(now), removed, remaining } })
      })
    },

    /** Receipts of a parent, latest first. */
    async receipts(parentId: string): Promise<ErasureReceipt[]> {
      const rows = await db.prisma.erasureReceipt.findMany({ where: { parentId }, orderBy: [{ erasedAt: 'desc' }, { id: 'asc' }] })
      return rows.map(({ removed, ...row }) => ({ ...row, removed: removed as Record<string, number> }))
    },

    /**
     * Removes a whole account with its children. Throws FORBIDDEN for a wrong password, and a 400 naming what is missing.
     * The receipt is the answer: nothing is left to keep it with.
     */
    async eraseAccount(accountId: string, farewell: Farewell): Promise<ErasureReceipt> {
      const account = await db.prisma.account.findUnique({ where: { id: accountId } })
      if (!account) throw new AppError('UNAUTHORIZED')
      await requireFarewell(account, farewell)
      const now = clock.now()
      return db.transaction(async (tx) => {
        await tx.$queryRaw`SELECT 1 FROM accounts WHERE id = ${accountId}::uuid FOR UPDATE`
        const children = await tx.$queryRaw<{ id: string }[]>`SELECT id FROM children WHERE parent_id = ${accountId}::uuid ORDER BY id FOR UPDATE`
        const childIds = children.map((child) => child.id)
        await revokeSessions(tx, revocations, { accountId }, 'account_deleted', now)
        const removed = await removeChildren(tx, childIds, now)
        const own = await ownRows(tx, accountId)
        const scopes = [accountId, ...anonymousScopes(account.emailKey)]
        const answers = await tx.idempotencyKey.deleteMany({ where: { OR: [{ scope: { in: scopes } }, { operationId: accountId }] } })
        await tx.account.deleteMany({ where: { id: accountId } })
        const remaining = sum(await rowsOf(tx, childIds, {})) + sum(await ownRows(tx, accountId))
        return {
          id: newId(),
          subjectHash: subjectHash(accountId),
          erasedAt: new Date(now),
          removed: added(removed, own, { idempotency_keys: answers.count }),
          remaining,
        }
      })
    },
  }

  async function requireFarewell(account: { passwordHash: string | null; emailKey: string }, farewell: Farewell): Promise<void> {
    if (account.passwordHash === null) {
      if (farewell.email === undefined) throw invalidField('email', 'The account has no password: give its e-mail address')
      if (farewell.email.trim().toLowerCase() !== account.emailKey)
        throw new AppError('FORBIDDEN', { message: 'This is not the e-mail address of the account' })
      return
    }
    if (farewell.password === undefined) throw invalidField('password', 'Give the password of the account')
    if (!(await verifySecret(account.passwordHash, farewell.password))) throw new AppError('FORBIDDEN', { message: 'Wrong password' })
  }

  /** Rows of an account itself, by table. */
  async function ownRows(tx: Transaction, accountId: string): Promise<Record<string, number>> {
    const tables = await tx.$queryRaw<{ name: string; column: string }[]>`
      SELECT table_name AS name, column_name AS column FROM information_schema.columns
      WHERE table_schema = current_schema() AND column_name IN ('account_id', 'parent_id') AND table_name <> 'children'`
    const counts: Record<string, number> = {}
    const owned = [...tables, { name: 'accounts', column: 'id' }, { name: 'parents', column: 'id' }]
    for (const { name, column } of owned) {
      const [row] = await tx.$queryRawUnsafe<{ rows: number }[]>(`SELECT count(*)::int AS rows FROM "${name}" WHERE "${column}" = $1::uuid`, accountId)
      if (row && row.rows > 0) counts[name] = row.rows
    }
    return counts
  }
}
export type ErasureService = ReturnType<typeof erasureService>
