import type { Database, Statement } from '../../platform/db/database.ts'
import type { LocalDate } from '../../platform/local-date.ts'
import { type FlagRow, flagsShownIn } from '../../safety/flags.ts'
import { toldTurns, withheldMessages } from '../conversations/conversation.ts'
import { type DepthStepRows, depthSteps } from '../progress/depth-steps.ts'
import type { EvidenceDay } from '../progress/growth.ts'
import { type StreakDates, streakDates } from '../rewards/streak-days.ts'
import { evidenceDays, evidenceFrom } from './growth.store.ts'

/** A stretch of local days, both ends included, and the instants between which they lie. */
export interface Period {
  readonly from: LocalDate
  readonly to: LocalDate
  readonly start: Date
  readonly end: Date
}

export type FamilyRow = { timezone: string; children: { id: string; name: string; birth_date: LocalDate }[] }

export type ChildSummaryRow = {
  id: string
  streak_dates: StreakDates
  steps: DepthStepRows
  restricted_topics: string[]
  topic_days: readonly (readonly [day: LocalDate, topicId: string, timeMs: number, turns: number])[]
  sessions: number
  sparks: number
  stars: number
}

export type ActivityRow = {
  steps: DepthStepRows
  topic_days: readonly (readonly [topicId: string, timeMs: number, turns: number])[]
  questions: readonly (readonly [topicId: string, question: string])[]
  evidence: readonly EvidenceDay[]
}

export type ConversationRow = {
  id: string
  topic_id: string
  started_at: Date
  last_turn_at: Date | null
  ended_at: Date | null
  depth: number
  /** The opening left out. */
  messages: number
  time_ms: number
  told: string[]
  summary: string | null
}

const FAMILY: Statement = {
  name: 'dashboard.family',
  text: `
    SELECT p.timezone, (SELECT coalesce(json_agg(json_build_object('id', c.id, 'name', c.name, 'birth_date', c.birth_date) ORDER BY c.created_at, c.id), '[]')
      FROM children c WHERE c.parent_id = p.id) AS children
    FROM parents p WHERE p.id = $1`,
}

const SUMMARIES: Statement = {
  name: 'dashboard.summaries',
  text: `
    SELECT c.id, c.restricted_topics, ${streakDates('c.id')} AS streak_dates, ${depthSteps('c.id')} AS steps,
      (SELECT coalesce(json_agg(json_build_array(d.day, d.topic_id, d.time_ms, d.turns)), '[]') FROM topic_days d
        WHERE d.child_id = c.id AND d.day BETWEEN $2::date AND $3::date) AS topic_days,
      (SELECT count(*)::int FROM conversations t
        WHERE t.child_id = c.id AND t.child_turns > 0 AND ${toldTurns('t')} > 0 AND t.started_at >= $4 AND t.started_at < $5) AS sessions,
      (SELECT count(*)::int FROM daily_sparks s WHERE s.child_id = c.id AND s.completed_at IS NOT NULL AND s.day BETWEEN $2::date AND $3::date) AS sparks,
      (SELECT coalesce(sum(e.amount), 0)::int FROM star_ledger e WHERE e.child_id = c.id AND e.amount > 0 AND e.day BETWEEN $2::date AND $3::date) AS stars
    FROM children c WHERE c.id = ANY($1::uuid[])`,
}

const ACTIVITY: Statement = {
  name: 'dashboard.activity',
  text: `
    SELECT ${depthSteps('$1')} AS steps,
      (SELECT coalesce(json_agg(json_build_array(d.topic_id, d.time_ms, d.turns) ORDER BY d.time_ms DESC, d.topic_id), '[]') FROM
        (SELECT topic_id, sum(time_ms) AS time_ms, sum(turns) AS turns FROM topic_days WHERE child_id = $1 AND day BETWEEN $2::date AND $3::date GROUP BY topic_id) d) AS topic_days,
      (SELECT coalesce(json_agg(json_build_array(q.topic_id, q.content) ORDER BY q.created_at DESC), '[]') FROM
        (SELECT c.topic_id, m.content, m.created_at, row_number() OVER (PARTITION BY c.topic_id ORDER BY m.created_at DESC) AS place
          FROM messages m JOIN conversations c ON c.id = m.conversation_id
          WHERE m.child_id = $1 AND m.created_at >= $4 AND m.created_at < $5 AND m.role = 'user' AND m.is_free_form AND NOT m.withheld) q
        WHERE q.place <= $6) AS questions,
      ${evidenceDays('$1', '$7::date')} AS evidence`,
}

// Conversations with at least one turn of the child that its family is told of, newest first.
const CONVERSATIONS: Statement = {
  name: 'dashboard.conversations',
  text: `
    SELECT id, topic_id, started_at, last_turn_at, ended_at, depth, next_seq - 1 - ${withheldMessages('c.child_id', 'c.id')} AS messages, time_ms, told,
      outcome->>'summary' AS summary FROM conversations c
    WHERE child_id = $1 AND child_turns > 0 AND ${toldTurns('c')} > 0
      AND ($2::timestamptz IS NULL OR started_at >= $2) AND ($3::timestamptz IS NULL OR started_at < $3)
      AND ($4::uuid IS NULL OR topic_id = $4) AND ($5::timestamptz IS NULL OR (started_at, id) < ($5, $6::uuid))
    ORDER BY started_at DESC, id DESC LIMIT $7`,
}

const CONVERSATION: Statement = {
  name: 'dashboard.conversation',
  text: `
    SELECT c.id, c.topic_id, c.child_id, k.name, c.started_at, c.ended_at, c.depth,
      (SELECT coalesce(json_agg(json_build_object('id', m.id, 'role', m.role, 'content', m.content, 'at', m.created_at) ORDER BY m.seq), '[]')
        FROM messages m WHERE m.conversation_id = c.id AND NOT m.withheld) AS messages, ${flagsShownIn('c.id')} AS flags
    FROM conversations c JOIN children k ON k.id = c.child_id WHERE c.id = $1 AND k.parent_id = $2`,
}

export type FullConversationRow = {
  id: string
  topic_id: string
  child_id: string
  name: string
  started_at: Date
  ended_at: Date | null
  depth: number
  messages: { id: string; role: 'user' | 'assistant'; content: string; at: string }[]
  flags: FlagRow[]
}

export interface ConversationFilter {
  readonly start: Date | undefined
  readonly end: Date | undefined
  readonly topicId: string | undefined
  readonly after: { readonly startedAt: Date; readonly id: string } | undefined
  readonly limit: number
}

/** The read models of the parent: each one statement, however many days and conversations there are. */
export function dashboardStore(db: Database) {
  return {
    async family(parentId: string): Promise<FamilyRow | undefined> {
      const [row] = await db.query<FamilyRow>(FAMILY, [parentId])
      return row
    },
    summaries: (childIds: readonly string[], period: Period): Promise<ChildSummaryRow[]> =>
      db.query<ChildSummaryRow>(SUMMARIES, [childIds, period.from, period.to, period.start, period.end]),
    async activity(childId: string, period: Period, questionsEach: number): Promise<ActivityRow> {
      const [row] = await db.query<ActivityRow>(ACTIVITY, [childId, period.from, period.to, period.start, period.end, questionsEach, evidenceFrom(period)])
      return row as ActivityRow
    },
    conversations: (childId: string, { start, end, topicId, after, limit }: ConversationFilter): Promise<ConversationRow[]> =>
      db.query<ConversationRow>(CONVERSATIONS, [childId, start ?? null, end ?? null, topicId ?? null, after?.startedAt ?? null, after?.id ?? null, limit]),
    async conversation(parentId: string, conversationId: string): Promise<FullConversationRow | undefined> {
      const [row] = await db.query<FullConversationRow>(CONVERSATION, [conversationId, parentId])
      return row
    },
  }
}
export type DashboardStore = ReturnType<typeof dashboardStore>
