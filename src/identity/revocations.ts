import type { Clock } from '../platform/clock.ts'
import type { Database, Transaction } from '../platform/db/database.ts'
import { listenTo, type NotificationListener } from '../platform/db/notifications.ts'

const CHANNEL = 'session_revoked'
const IDS_PER_NOTIFICATION = 100
const CHILD_PREFIX = 'child:'
const RESTRICTED_PREFIX = 'restricted:'
/** After so many new ones, those that have expired are let go. */
const PRUNE_EVERY = 1_000

export type RevocationHandler = (sessionId: string) => void

/**
 * The sessions whose tokens must be refused, held in memory so that checking a token costs no SQL. Loaded at start and
 * after every lost connection; other instances hear of a new one by NOTIFY, in the transaction that revokes.
 */
export interface Revocations {
  isRevoked(sessionId: string): boolean
  /** Marks sessions as revoked in `tx` and tells every instance when it commits. */
  revoke(tx: Transaction, sessionIds: readonly string[], expiresAt: Date): Promise<void>
  /** Calls `handler` for each session that is revoked from now on, by whichever instance. Returns the way to stop. */
  onRevoked(handler: RevocationHandler): () => void
  /** Tells every instance, when `tx` commits, that nobody may speak for a child any more. */
  denyChild(tx: Transaction, childId: string): Promise<void>
  /** Calls `handler` for each child that is denied from now on, by whichever instance. Returns the way to stop. */
  onChildDenied(handler: (childId: string) => void): () => void
  /** Tells every instance, when `tx` commits, that a child may see less than before. */
  restrictChild(tx: Transaction, childId: string): Promise<void>
  /** Calls `handler` for each child that is restricted from now on, by whichever instance. Returns the way to stop. */
  onChildRestricted(handler: (childId: string) => void): () => void
  readonly connected: boolean
  close(): Promise<void>
}

export async function openRevocations(db: Database, url: string, clock: Clock, onError: (error: unknown) => void): Promise<Revocations> {
  const revoked = new Map<string, number>()
  const handlers = new Set<RevocationHandler>()
  const prune = (now: number) => {
    for (const [sessionId, expiresAt] of revoked) if (expiresAt <= now) revoked.delete(sessionId)
  }
  const add = (sessionId: string, expiresAt: number) => {
    if (revoked.has(sessionId)) return
    revoked.set(sessionId, expiresAt)
    if (revoked.size % PRUNE_EVERY === 0) prune(clock.now())
    for (const handler of handlers) handler(sessionId)
  }
  const denyHandlers = new Set<(childId: string) => void>()
  const restrictHandlers = new Set<(childId: string) => void>()
  /** Tells the handlers of this instance itself: the connection that hears the others may be away. */
  const announce = async (tx: Transaction, prefix: string, childId: string, childHandlers: ReadonlySet<(childId: string) => void>) => {
    await tx.$executeRaw`SELECT pg_notify(${CHANNEL}, ${prefix + childId})`
    tx.afterCommit(() => {
      for (const handler of childHandlers) handler(childId)
    })
  }
  const load = async () => {
    const now = clock.now()
    prune(now)
    const rows = await db.prisma.revokedSession.findMany({ where: { expiresAt: { gt: new Date(now) } } })
    for (const row of rows) add(row.sessionId, row.expiresAt.getTime())
  }
  const listener: NotificationListener = await listenTo(url, CHANNEL, {
    onConnect: load,
    onNotification: (payload) => {
      for (const [prefix, childHandlers] of [
        [CHILD_PREFIX, denyHandlers],
        [RESTRICTED_PREFIX, restrictHandlers],
      ] as const) {
        if (!payload.startsWith(prefix)) continue
        for (const handler of childHandlers) handler(payload.slice(prefix.length))
        return
      }
      const [expiresAt = '', ...ids] = payload.split(',')
      for (const id of ids) add(id, Number(expiresAt))
    },
    onError,
  })
  return {
    isRevoked: (sessionId) => revoked.has(sessionId),
    async revoke(tx, sessionIds, expiresAt) {
      if (sessionIds.length === 0) return
      await tx.revokedSession.createMany({ data: sessionIds.map((sessionId) => ({ sessionId, expiresAt })), skipDuplicates: true })
      for (let start = 0; start < sessionIds.length; start += IDS_PER_NOTIFICATION) {
        const payload = [expiresAt.getTime(), ...sessionIds.slice(start, start + IDS_PER_NOTIFICATION)].join(',')
        await tx.$executeRaw`SELECT pg_notify(${CHANNEL}, ${payload})`
      }
      tx.afterCommit(() => {
        for (const id of sessionIds) add(id, expiresAt.getTime())
      })
    },
    onRevoked(handler) {
      handlers.add(handler)
      return () => handlers.delete(handler)
    },
    denyChild: (tx, childId) => announce(tx, CHILD_PREFIX, childId, denyHandlers),
    onChildDenied(handler) {
      denyHandlers.add(handler)
      return () => denyHandlers.delete(handler)
    },
    restrictChild: (tx, childId) => announce(tx, RESTRICTED_PREFIX, childId, restrictHandlers),
    onChildRestricted(handler) {
      restrictHandlers.add(handler)
      return () => restrictHandlers.delete(handler)
    },
    get connected() {
      return listener.connected
    },
    close: () => listener.close(),
  }
}
