import type { Clock } from '../platform/clock.ts'
import type { Database, Statement } from '../platform/db/database.ts'
import type { LocalDate } from '../platform/local-date.ts'
import { acknowledging, FLAG_COLUMNS, type FlagRow, flagOf, type SafetyFlag } from './flags.ts'

/** A flag with what somebody must know who is to act on it. */
export interface Disclosure extends SafetyFlag {
  readonly child: { readonly name: string; readonly birthDate: LocalDate }
  readonly parent: { readonly name: string; readonly email: string; readonly timezone: string }
  /** What is withheld of the conversation, oldest first. */
  readonly words: readonly { readonly messageId: string; readonly role: 'user' | 'assistant'; readonly content: string; readonly at: Date }[]
}

const IS_OPEN = `f.audience = 'safeguarding' AND f.acknowledged_at IS NULL`

const COUNT: Statement = { name: 'safeguarding.count', text: `SELECT count(*)::int AS waiting FROM safety_flags f WHERE ${IS_OPEN}` }
const OPEN: Statement = {
  name: 'safeguarding.open',
  text: `SELECT ${FLAG_COLUMNS}, f.alerted_at FROM safety_flags f WHERE ${IS_OPEN} ORDER BY f.created_at, f.id`,
}
const ACKNOWLEDGE: Statement = { name: 'safeguarding.acknowledge', text: acknowledging(`f.audience = 'safeguarding'`) }
const SHOW: Statement = {
  name: 'safeguarding.show',
  text: `
    SELECT ${FLAG_COLUMNS}, k.name, k.birth_date::text AS birth_date, p.display_name, p.timezone, a.email,
      (SELECT json_agg(json_build_object('messageId', m.id, 'role', m.role, 'content', m.content, 'at', m.created_at) ORDER BY m.seq)
        FROM messages m WHERE m.conversation_id = f.conversation_id AND (m.withheld OR m.id = f.message_id)) AS words
    FROM safety_flags f JOIN children k ON k.id = f.child_id JOIN parents p ON p.id = k.parent_id JOIN accounts a ON a.id = k.parent_id
    WHERE f.id = $1 AND f.audience = 'safeguarding'`,
}

type ShownRow = FlagRow & {
  name: string
  birth_date: LocalDate
  display_name: string
  timezone: string
  email: string
  words: { messageId: string; role: 'user' | 'assistant'; content: string; at: string }[]
}

/** The flags that no family is told of, for those who answer for child protection. No route leads here. */
export function safeguardingService(db: Database, clock: Clock) {
  return {
    /** How many flags nobody has acknowledged. */
    async waiting(): Promise<number> {
      const [row] = await db.query<{ waiting: number }>(COUNT, [])
      return row?.waiting ?? 0
    },

    /** Those flags, oldest first. `alertedAt` is when a mail told of one; null while none has. */
    async open(): Promise<(SafetyFlag & { readonly alertedAt: Date | null })[]> {
      const rows = await db.query<FlagRow & { alerted_at: Date | null }>(OPEN, [])
      return rows.map((row) => ({ ...flagOf(row), alertedAt: row.alerted_at }))
    },

    /** A flag with the words that are withheld; undefined when there is none for safeguarding with this id. */
    async show(flagId: string): Promise<Disclosure | undefined> {
      const [row] = await db.query<ShownRow>(SHOW, [flagId])
      return (
        row && {
          ...flagOf(row),
          child: { name: row.name, birthDate: row.birth_date },
          parent: { name: row.display_name, email: row.email, timezone: row.timezone },
          words: row.words.map((message) => ({ ...message, at: new Date(message.at) })),
        }
      )
    },

    /** Says that somebody answers for a flag, so that no more mails come of it; the first time stays. Undefined when there is no such flag. */
    async acknowledge(flagId: string): Promise<SafetyFlag | undefined> {
      const [row] = await db.query<FlagRow>(ACKNOWLEDGE, [flagId, new Date(clock.now())])
      return row && flagOf(row)
    },
  }
}
export type SafeguardingService = ReturnType<typeof safeguardingService>
