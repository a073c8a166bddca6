import type { ActiveChild } from '../../family/child-access.ts'
import { DAY, type Instant, SECOND } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { newId } from '../../platform/ids.ts'
import type { LocalDate } from '../../platform/local-date.ts'
import type { Finding, LateFinding } from '../../safety/moderation/screening.ts'
import { type ProgressPairs, progressPairs } from '../constellation/map-state.ts'
import type { Evidence } from '../progress/growth.ts'
import type { DayBooking, LastEvent } from '../progress/time-budget.ts'
import type { FreezeChange, StreakDays } from '../rewards/streak.ts'
import { type StreakDates, streakDates, streakDaysOf } from '../rewards/streak-days.ts'
import type { TokenUsage, TutorChoice, TutorTurn } from '../tutor/tutor-model.ts'
import {
  asStoredChoices,
  CONVERSATION_COLUMNS,
  type Conversation,
  type ConversationRow,
  conversationOf,
  MESSAGE_COLUMNS,
  type Message,
  type MessageRow,
  messageOf,
} from './conversation.ts'
import { bookDays, bookedOn, bookingValues } from './conversations.store.ts'

/** A turn whose holder has not renewed its lease for this long is free again. */
export const LEASE_MS = 15 * SECOND
const KEY_LIFETIME_MS = DAY

/** The Idempotency-Key of a turn, and the digest of what it was used for. */
export interface TurnKey {
  readonly scope: string
  readonly key: string
  /** Under every key, newest first. */
  readonly fingerprints: readonly Buffer[]
}

export interface TurnContext extends LastEvent {
  readonly conversation: Conversation
  readonly learnerTurns: number
  /** Streak freezes in hand. */
  readonly freezes: number
  readonly bookedTodayMs: number
  readonly progress: ProgressPairs
  /** Read until a finished turn of today has seen to the streak. */
  readonly streakDays: StreakDays | undefined
  /** The spark the conversation is about, as age_group/id. */
  readonly sparkKey: string | null
  /** The child's message that has no reply yet. */
  readonly pending: Message | undefined
  /** What the key was used for before, within its lifetime. */
  readonly known: { readonly fingerprint: Buffer; readonly messageId: string } | undefined
}

const CONTEXT: Statement = {
  name: 'turns.context',
  text: `
    SELECT ${CONVERSATION_COLUMNS}, l.last_event_at, l.last_topic_id, l.child_turns AS learner_turns, l.freezes,
      (SELECT s.spark_key FROM daily_sparks s WHERE s.id = c.spark_id) AS spark_key,
      CASE WHEN l.streak_day = $3::date THEN NULL ELSE ${streakDates('$2')} END AS streak_dates,
      ${bookedOn('$2', '$3::date')} AS booked_today_ms, ${progressPairs('$2')} AS progress,
      CASE WHEN m.id IS NULL THEN NULL ELSE json_build_object('content', m.content, 'selected_choice_index', m.selected_choice_index,
        'is_free_form', m.is_free_form, 'created_at', m.created_at) END AS pending,
      k.fingerprint AS key_fingerprint, k.operation_id AS key_message_id
    FROM conversations c
    JOIN learners l ON l.child_id = c.child_id
    LEFT JOIN messages m ON m.id = c.pending_message_id
    LEFT JOIN idempotency_keys k ON k.scope = $4 AND k.key = $5 AND k.created_at > $6
    WHERE c.id = $1 AND c.child_id = $2`,
}

// Takes the lease, the child's event and the message in one statement. The child is locked first, as its deletion does. The conversation is locked before anything is
// changed; if it or the child's last event is not what the rules were checked against, nothing happens at all.
const BEGIN: Statement = {
  name: 'turns.begin',
  text: `
    WITH child AS (
      SELECT id FROM children WHERE id = $2 FOR KEY SHARE
    ), conversation AS (
      SELECT c.id, c.child_id FROM child JOIN conversations c ON c.child_id = child.id
      WHERE c.id = $1 AND c.ended_at IS NULL AND c.next_seq = $3 AND c.pending_message_id IS NOT DISTINCT FROM $4
        AND (c.lease_until IS NULL OR c.lease_until <= $5)
      FOR UPDATE OF c
    ), learner AS (
      UPDATE learners l SET last_event_at = greatest(l.last_event_at, $5), last_topic_id = $7, freezes = l.freezes + $27 FROM conversation c
      WHERE l.child_id = c.child_id AND l.last_event_at IS NOT DISTINCT FROM $6 AND l.freezes = $28 RETURNING l.child_id
    ), freezes AS (
      INSERT INTO freeze_ledger (child_id, reason, amount, day, created_at)
      SELECT l.child_id, f.reason, f.amount, f.day, $5 FROM learner l, unnest($24::text[], $25::int[], $26::date[]) AS f(reason, amount, day)
    ), taken AS (
      UPDATE conversations c SET lease_token = $8, lease_until = $9, pending_message_id = $10, last_turn_at = $5, time_ms = c.time_ms + $11,
        next_seq = c.next_seq + $12
      FROM learner WHERE c.id = $1 RETURNING c.id, c.child_id
    ), message AS (
      INSERT INTO messages (id, conversation_id, child_id, seq, role, content, is_free_form, selected_choice_index, created_at, withheld)
      SELECT $10::uuid, id, child_id, $3, 'user', $13, $14, $15, $5, $29 FROM taken WHERE $12 = 1
    ), flags AS (
      INSERT INTO safety_flags (id, child_id, conversation_id, message_id, category, severity, action, audience, created_at)
      SELECT f.id, t.child_id, t.id, $10::uuid, f.category, f.severity, f.action, f.audience, $5
      FROM taken t, unnest($30::uuid[], $31::text[], $32::text[], $33::text[], $34::text[]) AS f(id, category, severity, action, audience) WHERE $12 = 1
    ), keyed AS (
      INSERT INTO idempotency_keys AS k (scope, key, operation_id, child_id, fingerprint, locked_until, created_at)
      SELECT $16, $17, $10::uuid, child_id, $18, $9, $5 FROM taken WHERE $17::text IS NOT NULL
      ON CONFLICT (scope, key) DO UPDATE SET operation_id = excluded.operation_id, child_id = excluded.child_id, fingerprint = excluded.fingerprint,
        status = NULL, response = NULL, locked_until = excluded.locked_until, created_at = excluded.created_at
      WHERE k.created_at <= $19
    ), days AS (${bookDays('taken', '$2', ['$20', '$21', '$22', '$23'])}
    )
    SELECT id FROM taken`,
}

// A turn of yesterday may be finished after one of today, and travel may take a day back: what was used then stays used.
const booksTokens = (day: string, tokens: string): string =>
  `tokens_used = CASE WHEN l.tokens_day >= ${day} THEN l.tokens_used ELSE 0 END + ${tokens}, tokens_day = greatest(l.tokens_day, ${day})`

// Guarded by the fencing token: whoever lost the lease changes nothing.
const FINISH: Statement = {
  name: 'turns.finish',
  text: `
    WITH child AS (
      SELECT k.id FROM conversations t JOIN children k ON k.id = t.child_id WHERE t.id = $1 FOR KEY SHARE OF k
    ), conversation AS (
      UPDATE conversations c SET points = $3, depth = $4, told = $5, offered = $6::jsonb, child_turns = c.child_turns + 1, next_seq = c.next_seq + 1,
        pending_message_id = NULL, lease_token = NULL, lease_until = NULL
      FROM child WHERE c.child_id = child.id AND c.id = $1 AND c.lease_token = $2 RETURNING c.id, c.child_id, c.next_seq, c.child_turns
    ), reply AS (
      INSERT INTO messages (id, conversation_id, child_id, seq, role, content, choices, passage, model, in_reply_to, depth_after, depth_increased, created_at,
        withheld, prompt_version, latency_ms, tokens_in, tokens_out, reading_grade)
      SELECT $7::uuid, id, child_id, next_seq - 1, 'assistant', $8, $9::jsonb, $10, $11, $12::uuid, $4, $13, $14, $23, $24, $25, $26, $27, $28 FROM conversation
    ), withheld AS (
      UPDATE messages m SET withheld = $23 FROM conversation c WHERE m.id = $12::uuid AND m.withheld <> $23
        AND ($23 OR NOT EXISTS (SELECT 1 FROM safety_flags f WHERE f.message_id = m.id AND f.audience = 'safeguarding'))
    ), flags AS (
      INSERT INTO safety_flags (id, child_id, conversation_id, message_id, category, severity, action, audience, created_at)
      SELECT f.id, c.child_id, c.id, f.message_id, f.category, f.severity, f.action, f.audience, $14
      FROM conversation c, unnest($29::uuid[], $30::uuid[], $31::text[], $32::text[], $33::text[], $34::text[]) AS f(id, message_id, category, severity, action, audience)
      ON CONFLICT DO NOTHING
    ), learner AS (
      UPDATE learners l SET child_turns = l.child_turns + 1, streak_day = CASE
          WHEN EXISTS (SELECT 1 FROM topic_days d WHERE d.child_id = l.child_id AND d.day = $20::date AND d.turns > 0) THEN $20::date ELSE l.streak_day END,
        ${booksTokens('$20::date', 'coalesce($26::int, 0) + coalesce($27::int, 0)')}
      FROM conversation c WHERE l.child_id = c.child_id RETURNING l.child_id, l.child_turns
    ), progress AS (
      INSERT INTO topic_progress AS p (child_id, topic_id, depth, conversations_count, talked_at, last_interaction)
      SELECT c.child_id, t.topic_id, t.depth, CASE WHEN t.position = 1 AND c.child_turns = 1 THEN 1 ELSE 0 END, $14, $14
      FROM conversation c, unnest($15::uuid[], $16::int[]) WITH ORDINALITY AS t(topic_id, depth, position)
      ON CONFLICT (child_id, topic_id) DO UPDATE SET depth = greatest(p.depth, excluded.depth), talked_at = coalesce(p.talked_at, excluded.talked_at),
        conversations_count = p.conversations_count + excluded.conversations_count, last_interaction = excluded.last_interaction
    ), steps AS (
      INSERT INTO depth_steps (child_id, topic_id, depth, reached_at, message_id)
      SELECT c.child_id, t.topic_id, step, $14, $12::uuid
      FROM conversation c, unnest($15::uuid[], $16::int[], $19::int[]) AS t(topic_id, depth, from_depth), generate_series(t.from_depth, t.depth) AS step
      ON CONFLICT DO NOTHING
    ), evidence AS (
      INSERT INTO growth_evidence (message_id, skill, child_id, day, weight)
      SELECT $12::uuid, e.skill, c.child_id, $20::date, e.weight FROM conversation c, unnest($21::text[], $22::real[]) AS e(skill, weight)
      ON CONFLICT DO NOTHING
    ), earned AS (
      INSERT INTO badges (child_id, badge_id, conversation_id, message_id, earned_at)
      SELECT l.child_id, b.id, $1::uuid, $7::uuid, $14 FROM learner l, unnest($17::text[], $18::int[]) AS b(id, turns) WHERE l.child_turns >= b.turns
      ON CONFLICT DO NOTHING RETURNING badge_id
    )
    SELECT (SELECT coalesce(array_agg(badge_id), '{}') FROM earned) AS earned FROM conversation`,
}

const UTTERANCES = 12

// A model is shown neither what was turned aside nor what was said instead: it would answer to it, and hear of it.
const BACKGROUND: Statement = {
  name: 'turns.background',
  text: `
    SELECT k.interests, CASE WHEN l.tokens_day >= $4::date THEN l.tokens_used ELSE 0 END AS tokens_used,
      (SELECT coalesce(json_agg(json_build_array(h.role, h.content) ORDER BY h.seq), '[]') FROM (
        SELECT m.role, m.content, m.seq FROM messages m WHERE m.conversation_id = $2 AND m.id <> $3 AND NOT m.withheld
          AND NOT EXISTS (SELECT 1 FROM safety_flags f WHERE f.message_id IN (m.id, m.in_reply_to) AND f.action IN ('crisis_script', 'redirected'))
        ORDER BY m.seq DESC LIMIT ${UTTERANCES}) h) AS history
    FROM children k JOIN learners l ON l.child_id = k.id WHERE k.id = $1`,
}
type BackgroundRow = { interests: string[]; tokens_used: number; history: (readonly ['user' | 'assistant', string])[] }

const BOOK_TOKENS: Statement = {
  name: 'turns.book_tokens',
  text: `
    WITH child AS (
      SELECT id FROM children WHERE id = $1 FOR KEY SHARE
    )
    UPDATE learners l SET ${booksTokens('$2::date', '$3::int')} FROM child
    WHERE l.child_id = child.id AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = $4::uuid)`,
}

const RENEW: Statement = { name: 'turns.renew', text: 'UPDATE conversations SET lease_until = $3 WHERE id = $1 AND lease_token = $2' }
const RELEASE: Statement = { name: 'turns.release', text: 'UPDATE conversations SET lease_token = NULL, lease_until = NULL WHERE id = $1 AND lease_token = $2' }

const COMPLETED: Statement = {
  name: 'turns.completed',
  text: `
    SELECT ${MESSAGE_COLUMNS}, m.depth_after, m.depth_increased,
      (SELECT coalesce(array_agg(b.badge_id ORDER BY b.badge_id), '{}') FROM badges b
        JOIN messages r ON r.id = b.message_id WHERE b.child_id = $2 AND r.in_reply_to = $1) AS earned
    FROM messages m WHERE m.child_id = $2 AND (m.id = $1 OR m.in_reply_to = $1) ORDER BY m.seq`,
}

export interface BegunTurn {
  readonly messageId: string
  readonly leaseToken: string
  /** False when a message stored earlier is being answered. */
  readonly isNew: boolean
  readonly content: string
  readonly choiceIndex: number | null
  /** What was found in the child's words, for a grown-up to look at. */
  readonly findings: readonly Finding[]
  /** Whether the family must not read the message. */
  readonly isWithheld: boolean
  /** Whether that may yet come out. Until the turn is finished the family does not read it: the process may die before. */
  readonly mayBeWithheld: boolean
}

export interface FinishedTurn {
  readonly replyId: string
  readonly content: string
  readonly choices: readonly TutorChoice[]
  readonly passage: string | null
  readonly model: string
  readonly promptVersion: string | undefined
  readonly latencyMs: number | undefined
  /** What a language model has cost, whoever spoke in the end. */
  readonly usage: TokenUsage | undefined
  /** Whether the family must read neither the child's message nor this, by what was known from the start or found since. */
  readonly isWithheld: boolean
  /** Flesch-Kincaid grade of the reply. */
  readonly readingGrade: number
  readonly findings: readonly LateFinding[]
  readonly points: number
  readonly depth: number
  readonly depthIncreased: boolean
  readonly told: readonly string[]
  /** Topics talked in, the conversation's first, with the depth reached there and the first depth that is new. */
  readonly topics: readonly { readonly id: string; readonly depth: number; readonly newFrom: number }[]
  readonly day: LocalDate
  readonly evidence: readonly Evidence[]
  /** Badges with the number of child turns each needs. */
  readonly badges: readonly { readonly id: string; readonly turns: number }[]
}

export interface CompletedTurn {
  readonly userMessage: Message
  readonly reply: Message
  readonly depth: number
  readonly depthIncreased: boolean
  readonly earned: readonly string[]
}

type PendingRow = { content: string; selected_choice_index: number | null; is_free_form: boolean; created_at: string }
type ContextRow = ConversationRow & {
  last_event_at: Date | null
  last_topic_id: string | null
  learner_turns: number
  freezes: number
  spark_key: string | null
  streak_dates: StreakDates | null
  booked_today_ms: number
  progress: ProgressPairs
  pending: PendingRow | null
  key_fingerprint: Buffer | null
  key_message_id: string | null
}

const instantParam = (instant: Instant | null) => (instant === null ? null : new Date(instant))

export function turnsStore(db: Database) {
  return {
    async context(child: ActiveChild, conversationId: string, key: TurnKey | undefined, now: Instant): Promise<TurnContext | undefined> {
      const [row] = await db.query<ContextRow>(CONTEXT, [
        conversationId,
        child.id,
        child.today,
        key?.scope ?? null,
        key?.key ?? null,
        new Date(now - KEY_LIFETIME_MS),
      ])
      if (!row) return undefined
      const { pending } = row
      return {
        conversation: conversationOf(row),
        lastEventAt: row.last_event_at?.getTime() ?? null,
        lastTopicId: row.last_topic_id,
        learnerTurns: row.learner_turns,
        freezes: row.freezes,
        sparkKey: row.spark_key,
        streakDays: row.streak_dates ? streakDaysOf(row.streak_dates) : undefined,
        bookedTodayMs: row.booked_today_ms,
        progress: row.progress,
        pending: pending
          ? messageOf({ ...pending, id: row.pending_message_id as string, role: 'user', choices: null, model: null, created_at: new Date(pending.created_at) })
          : undefined,
        known: row.key_fingerprint && row.key_message_id ? { fingerprint: row.key_fingerprint, messageId: row.key_message_id } : undefined,
      }
    },

    /** False when the conversation or the child's events have moved on since `context` was read; then nothing has changed. */
    async begin(
      child: ActiveChild,
      context: TurnContext,
      turn: BegunTurn,
      key: TurnKey | undefined,
      booked: { readonly days: readonly DayBooking[]; readonly gapMs: number; readonly freezes: readonly FreezeChange[] },
      now: Instant,
    ): Promise<boolean> {
      const { conversation } = context
      const { freezes } = booked
      const rows = await db.query(BEGIN, [
        ...[
          conversation.id,
          child.id,
          conversation.nextSeq,
          conversation.pendingMessageId,
          new Date(now),
          instantParam(context.lastEventAt),
          conversation.topicId,
        ],
        ...[
          turn.leaseToken,
          new Date(now + LEASE_MS),
          turn.messageId,
          booked.gapMs,
          turn.isNew ? 1 : 0,
          turn.content,
          turn.choiceIndex === null,
          turn.choiceIndex,
        ],
        ...[key?.scope ?? null, key?.key ?? null, key?.fingerprints[0] ?? null, new Date(now - KEY_LIFETIME_MS)],
        ...bookingValues(booked.days),
        ...[freezes.map((change) => change.reason), freezes.map((change) => change.amount), freezes.map((change) => change.day)],
        ...[freezes.reduce((sum, change) => sum + change.amount, 0), context.freezes],
        turn.isWithheld || turn.mayBeWithheld,
        ...[turn.findings.map(() => newId()), turn.findings.map((finding) => finding.category), turn.findings.map((finding) => finding.severity)],
        ...[turn.findings.map((finding) => finding.action), turn.findings.map((finding) => finding.audience)],
      ])
      return rows.length === 1
    },

    /** Stores the reply and all that follows from it; the ids of badges newly earned. Undefined when the lease was lost. */
    async finish(conversationId: string, turn: BegunTurn, finished: FinishedTurn, now: Instant): Promise<readonly string[] | undefined> {
      const { findings } = finished
      const [row] = await db.query<{ earned: string[] }>(FINISH, [
        ...[conversationId, turn.leaseToken, finished.points, finished.depth, finished.told, JSON.stringify(finished.choices)],
        ...[finished.replyId, finished.content, JSON.stringify(asStoredChoices(finished.choices)), finished.passage, finished.model],
        ...[turn.messageId, finished.depthIncreased, new Date(now)],
        ...[finished.topics.map((topic) => topic.id), finished.topics.map((topic) => topic.depth)],
        ...[finished.badges.map((badge) => badge.id), finished.badges.map((badge) => badge.turns)],
        ...[finished.topics.map((topic) => topic.newFrom), finished.day],
        ...[finished.evidence.map((item) => item.skill), finished.evidence.map((item) => item.weight)],
        ...[finished.isWithheld, finished.promptVersion, finished.latencyMs, finished.usage?.tokensIn, finished.usage?.tokensOut, finished.readingGrade],
        ...[findings.map(() => newId()), findings.map(({ on }) => (on === 'question' ? turn.messageId : finished.replyId))],
        ...[findings.map((finding) => finding.category), findings.map((finding) => finding.severity)],
        ...[findings.map((finding) => finding.action), findings.map((finding) => finding.audience)],
      ])
      return row?.earned
    },

    /** What a language model is told besides the turn itself, which is the child's message with this id. */
    async background(child: ActiveChild, conversationId: string, messageId: string): Promise<Pick<TutorTurn, 'history' | 'interests' | 'tokensUsedToday'>> {
      const [row] = await db.query<BackgroundRow>(BACKGROUND, [child.id, conversationId, messageId, child.today])
      return {
        history: row?.history.map(([role, text]) => ({ who: role === 'user' ? ('child' as const) : ('tutor' as const), text })),
        interests: row?.interests,
        tokensUsedToday: row?.tokens_used,
      }
    },

    /** Books what a turn has cost that came to nothing. If its reply is there it has been booked: only the answer of `finish` was lost. */
    async bookTokens(child: ActiveChild, replyId: string, { tokensIn, tokensOut }: TokenUsage): Promise<void> {
      await db.query(BOOK_TOKENS, [child.id, child.today, tokensIn + tokensOut, replyId])
    },

    async renew(conversationId: string, leaseToken: string, now: Instant): Promise<void> {
      await db.query(RENEW, [conversationId, leaseToken, new Date(now + LEASE_MS)])
    },

    async release(conversationId: string, leaseToken: string): Promise<void> {
      await db.query(RELEASE, [conversationId, leaseToken])
    },

    /** A turn that was carried out, by the id of the child's message. Undefined while it has no reply. */
    async completed(childId: string, messageId: string): Promise<CompletedTurn | undefined> {
      const [said, reply] = await db.query<MessageRow & { depth_after: number | null; depth_increased: boolean | null; earned: string[] }>(COMPLETED, [
        messageId,
        childId,
      ])
      if (!said || !reply) return undefined
      return {
        userMessage: messageOf(said),
        reply: messageOf(reply),
        depth: reply.depth_after ?? 0,
        depthIncreased: reply.depth_increased ?? false,
        earned: reply.earned,
      }
    },
  }
}
export type TurnsStore = ReturnType<typeof turnsStore>
