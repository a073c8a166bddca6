import type { ActiveChild } from '../../family/child-access.ts'
import type { Instant } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { type ProgressPairs, progressPairs } from '../constellation/map-state.ts'
import type { DayBooking, LastEvent } from '../progress/time-budget.ts'
import type { TutorChoice } from '../tutor/tutor-model.ts'
import { asStoredChoices, MESSAGE_COLUMNS, type Message, type MessageRow, messageOf, toldTurns } from './conversation.ts'
import type { ConversationType } from './conversations.schemas.ts'

/** Adds bookings to `topic_days`, as the body of a CTE; `source` names the CTE that must have happened. */
export const bookDays = (source: string, child: string, [days, topics, ms, turns]: readonly [string, string, string, string]): string => `
      INSERT INTO topic_days AS d (child_id, day, topic_id, time_ms, turns)
      SELECT ${child}::uuid, b.day, b.topic_id, b.ms, b.turns
      FROM ${source}, unnest(${days}::date[], ${topics}::uuid[], ${ms}::int[], ${turns}::int[]) AS b(day, topic_id, ms, turns)
      ON CONFLICT (child_id, day, topic_id) DO UPDATE SET time_ms = d.time_ms + excluded.time_ms, turns = d.turns + excluded.turns`

/** The parameters of bookDays, in its order. */
export const bookingValues = (bookings: readonly DayBooking[]) => [
  bookings.map((booking) => booking.day),
  bookings.map((booking) => booking.topicId),
  bookings.map((booking) => booking.ms),
  bookings.map((booking) => booking.turns),
]

/** A SQL expression: milliseconds booked for a child on a day. */
export const bookedOn = (child: string, day: string): string =>
  `(SELECT coalesce(sum(d.time_ms), 0)::int FROM topic_days d WHERE d.child_id = ${child} AND d.day = ${day})`

const START_CONTEXT: Statement = {
  name: 'conversations.start_context',
  text: `
    SELECT l.last_event_at, l.last_topic_id, ${bookedOn('$1', '$3::date')} AS booked_today_ms, ${progressPairs('$1')} AS progress,
      (SELECT coalesce(array_agg(DISTINCT heard.key), '{}') FROM
        (SELECT c.told FROM conversations c WHERE c.child_id = $1 AND c.topic_id = $2 ORDER BY c.started_at DESC LIMIT 20) recent,
        unnest(recent.told) AS heard(key)) AS heard,
      EXISTS (SELECT 1 FROM conversations c WHERE c.id = $4 AND c.child_id = $1) AS started
    FROM learners l WHERE l.child_id = $1`,
}

// The event is taken first: if another of the child's events came in between, nothing happens and the caller looks again.
const START: Statement = {
  name: 'conversations.start',
  text: `
    WITH child AS (
      SELECT id FROM children WHERE id = $1 FOR KEY SHARE
    ), learner AS (
      UPDATE learners l SET last_event_at = greatest(l.last_event_at, $3), last_topic_id = $2
      FROM child WHERE l.child_id = child.id AND l.last_event_at IS NOT DISTINCT FROM $4 RETURNING l.child_id
    ), conversation AS (
      INSERT INTO conversations (id, child_id, topic_id, conversation_type, age_group, started_at, topic_depth_before, next_seq, offered, told, spark_id)
      SELECT $5::uuid, $1::uuid, $2::uuid, $6, $7, $3, $8, 1, $9::jsonb, '{}', $18::uuid FROM learner RETURNING id
    ), opening AS (
      INSERT INTO messages (id, conversation_id, child_id, seq, role, content, choices, model, created_at)
      SELECT $10::uuid, id, $1::uuid, 0, 'assistant', $11, $12::jsonb, $13, $3 FROM conversation
    ), progress AS (
      INSERT INTO topic_progress (child_id, topic_id, last_interaction) SELECT $1::uuid, $2::uuid, $3 FROM conversation
      ON CONFLICT (child_id, topic_id) DO UPDATE SET last_interaction = excluded.last_interaction
    ), days AS (${bookDays('conversation', '$1', ['$14', '$15', '$16', '$17'])}
    )
    SELECT id FROM conversation`,
}

const OPENING: Statement = {
  name: 'conversations.opening',
  text: `SELECT c.topic_id, c.depth, ${MESSAGE_COLUMNS} FROM conversations c JOIN messages m ON m.conversation_id = c.id AND m.seq = 0 WHERE c.id = $1 AND c.child_id = $2`,
}

const HISTORY: Statement = {
  name: 'conversations.history',
  text: `
    SELECT c.topic_id, m.seq, ${MESSAGE_COLUMNS}
    FROM conversations c
    LEFT JOIN LATERAL (SELECT * FROM messages WHERE conversation_id = c.id AND seq < $3 AND NOT withheld
      AND (passage IS NULL OR NOT split_part(passage, '/', 1) = ANY($5::text[])) ORDER BY seq DESC LIMIT $4) m ON true
    WHERE c.id = $1 AND c.child_id = $2
    ORDER BY m.seq`,
}

const LIST: Statement = {
  name: 'conversations.list',
  text: `
    SELECT id, topic_id, conversation_type, started_at, last_turn_at, ended_at, depth, ${toldTurns('c')} AS child_turns FROM conversations c
    WHERE child_id = $1 AND ($2::boolean IS NULL OR (ended_at IS NULL) = $2) AND NOT topic_id = ANY($3::uuid[])
      AND ($4::timestamptz IS NULL OR (started_at, id) < ($4, $5::uuid))
    ORDER BY started_at DESC, id DESC LIMIT $6`,
}

export interface StartContext extends LastEvent {
  readonly bookedTodayMs: number
  readonly progress: ProgressPairs
  readonly heard: readonly string[]
  /** Whether a conversation with this id is there already. */
  readonly started: boolean
}

export interface NewConversation {
  readonly id: string
  readonly topicId: string
  readonly type: string
  readonly sparkId: string | null
  readonly topicDepthBefore: number
  readonly opening: { readonly id: string; readonly text: string; readonly choices: readonly TutorChoice[]; readonly model: string }
}

export interface HistoryPage {
  readonly topicId: string
  /** Oldest first. */
  readonly messages: readonly (Message & { readonly seq: number })[]
  readonly hasMore: boolean
}

export type ListedRow = {
  id: string
  topic_id: string
  conversation_type: ConversationType
  started_at: Date
  last_turn_at: Date | null
  ended_at: Date | null
  depth: number
  child_turns: number
}

export function conversationsStore(db: Database) {
  return {
    async startContext(child: ActiveChild, topicId: string, conversationId: string): Promise<StartContext | undefined> {
      type Row = {
        last_event_at: Date | null
        last_topic_id: string | null
        booked_today_ms: number
        progress: ProgressPairs
        heard: string[]
        started: boolean
      }
      const [row] = await db.query<Row>(START_CONTEXT, [child.id, topicId, child.today, conversationId])
      return (
        row && {
          lastEventAt: row.last_event_at?.getTime() ?? null,
          lastTopicId: row.last_topic_id,
          bookedTodayMs: row.booked_today_ms,
          progress: row.progress,
          heard: row.heard,
          started: row.started,
        }
      )
    },

    /** Stores the conversation with its opening and books the event. False when another event of the child came first. */
    async start(child: ActiveChild, conversation: NewConversation, last: LastEvent, bookings: readonly DayBooking[], now: Instant): Promise<boolean> {
      const { opening } = conversation
      const rows = await db.query(START, [
        ...[child.id, conversation.topicId, new Date(now), last.lastEventAt === null ? null : new Date(last.lastEventAt)],
        ...[conversation.id, conversation.type, child.ageGroup, conversation.topicDepthBefore, JSON.stringify(opening.choices)],
        ...[opening.id, opening.text, JSON.stringify(asStoredChoices(opening.choices)), opening.model],
        ...bookingValues(bookings),
        conversation.sparkId,
      ])
      return rows.length === 1
    },

    async opening(childId: string, conversationId: string): Promise<{ topicId: string; depth: number; message: Message } | undefined> {
      const [row] = await db.query<MessageRow & { topic_id: string; depth: number }>(OPENING, [conversationId, childId])
      return row && { topicId: row.topic_id, depth: row.depth, message: messageOf(row) }
    },

    /** Newest first. */
    async list(child: ActiveChild, filter: { isOpen: boolean | null; after: { startedAt: Date; id: string } | null; limit: number }): Promise<ListedRow[]> {
      return db.query<ListedRow>(LIST, [
        child.id,
        filter.isOpen,
        [...child.restrictedTopics],
        filter.after?.startedAt ?? null,
        filter.after?.id ?? null,
        filter.limit,
      ])
    },

    /** The newest `limit` messages before `beforeSeq`, without what was told of hidden topics (by slug). */
    async history(
      childId: string,
      conversationId: string,
      limit: number,
      beforeSeq: number,
      hiddenTopics: readonly string[],
    ): Promise<HistoryPage | undefined> {
      const rows = await db.query<MessageRow & { topic_id: string; seq: number | null }>(HISTORY, [
        ...[conversationId, childId, beforeSeq, limit + 1],
        hiddenTopics,
      ])
      const [first] = rows
      if (!first) return undefined
      const messages = rows.filter((row) => row.seq !== null).map((row) => ({ ...messageOf(row), seq: row.seq as number }))
      return { topicId: first.topic_id, messages: messages.slice(-limit), hasMore: messages.length > limit }
    },
  }
}
export type ConversationsStore = ReturnType<typeof conversationsStore>
