import { z } from 'zod'
import { requireChild } from '../family/child-access.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Statement } from '../platform/db/database.ts'
import { decodeCursor, encodeCursor } from '../platform/http/cursor.ts'
import { AppError } from '../platform/http/errors.ts'
import { acknowledging, FLAG_COLUMNS, type FlagRow, flagOf, isForFamily, type SafetyFlag } from './flags.ts'

export interface FlagsQuery {
  readonly status: 'open' | 'all'
  readonly child_id?: string | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

const Cursor = z.tuple([z.iso.datetime(), z.uuid()])

const LIST: Statement = {
  name: 'flags.list',
  text: `
    SELECT ${FLAG_COLUMNS} FROM children k JOIN safety_flags f ON f.child_id = k.id
    WHERE k.parent_id = $1 AND ($2::uuid IS NULL OR k.id = $2) AND ${isForFamily('f')} AND ($3 OR f.acknowledged_at IS NULL)
      AND ($4::timestamptz IS NULL OR (f.created_at, f.id) < ($4, $5::uuid))
    ORDER BY f.created_at DESC, f.id DESC LIMIT $6`,
}

const ACKNOWLEDGE: Statement = { name: 'flags.acknowledge', text: acknowledging(`k.parent_id = $3 AND ${isForFamily('f')}`) }

/** What a parent sees of flags. Those for safeguarding are, to a family, not there. */
export function flagsService(db: Database, clock: Clock) {
  return {
    /** A page of flags of a parent's children, or of one, newest first. Throws CHILD_ACCESS_DENIED for a child that is not theirs. */
    async list(parentId: string, query: FlagsQuery): Promise<{ flags: SafetyFlag[]; cursor: string | null }> {
      const after = query.cursor === undefined ? undefined : decodeCursor(Cursor, query.cursor, 'cursor')
      if (query.child_id !== undefined) await requireChild(db, parentId, query.child_id, clock.now())
      const rows = await db.query<FlagRow>(LIST, [
        ...[parentId, query.child_id ?? null, query.status === 'all'],
        ...[after ? new Date(after[0]) : null, after?.[1] ?? null, query.limit + 1],
      ])
      const flags = rows.slice(0, query.limit).map(flagOf)
      const last = rows.length > query.limit ? flags.at(-1) : undefined
      return { flags, cursor: last ? encodeCursor([last.createdAt.toISOString(), last.id]) : null }
    },

    /** Marks a flag as seen by a parent, so that no more mails come of it; the first time stays. Throws NOT_FOUND for any that is not theirs to see. */
    async acknowledge(parentId: string, flagId: string): Promise<SafetyFlag> {
      const [row] = await db.query<FlagRow>(ACKNOWLEDGE, [flagId, new Date(clock.now()), parentId])
      if (!row) throw new AppError('NOT_FOUND')
      return flagOf(row)
    },
  }
}
export type FlagsService = ReturnType<typeof flagsService>
