import { type ActiveChild, holdChild, requireChild } from '../../family/child-access.ts'
import { type Clock, type Instant, MINUTE } from '../../platform/clock.ts'
import type { Database, Statement, Transaction } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import type { LocalDate } from '../../platform/local-date.ts'
import type { Curriculum, Topic } from '../curriculum/curriculum.ts'
import type { LiveEvents } from '../gateway/live-events.ts'
import { bookingsFor, LONGEST_GAP_MS } from '../progress/time-budget.ts'
import type { BadgeCatalogue } from '../rewards/badges.ts'
import { badgeRewards, type Reward } from '../rewards/rewards.ts'
import { starsFor } from '../rewards/stars.ts'
import { lockWallet, moveStars } from '../rewards/wallet.ts'
import { SPARK_ANSWERED } from './conversation.ts'
import { toRewardView } from './conversations.schemas.ts'
import { bookingValues } from './conversations.store.ts'

/** What a conversation came to. Stored with it, so that ending twice tells the same. */
export interface ConversationOutcome {
  readonly conversationId: string
  readonly summary: string
  readonly durationMinutes: number
  readonly depthReached: number
  readonly questionsAsked: number
  readonly topicName: string
  readonly previousDepth: number
  readonly newDepth: number
  readonly rewards: readonly Reward[]
}

type StoredOutcome = Omit<ConversationOutcome, 'rewards'> & { readonly stars: number; readonly badges: readonly string[] }

interface LockedConversation {
  readonly topic_id: string
  readonly ended_at: Date | null
  readonly lease_until: Date | null
  readonly last_turn_at: Date | null
  readonly started_at: Date
  readonly depth: number
  readonly child_turns: number
  readonly topic_depth_before: number
  readonly time_ms: number
  readonly told: string[]
  readonly outcome: StoredOutcome | null
}

export interface EndingDeps {
  readonly db: Database
  readonly clock: Clock
  readonly curriculum: Curriculum
  readonly live: LiveEvents
  readonly badges: BadgeCatalogue
  readonly onError: (error: unknown) => void
}

const THINGS_NAMED = 3
/** A conversation that nobody goes on with for so long has ended. */
const IDLE_MS = 30 * MINUTE
const IDLE_AT_ONCE = 200

const IDLE: Statement = {
  name: 'conversations.idle',
  text: `
    SELECT c.id, c.child_id, k.parent_id, coalesce(c.last_turn_at, c.started_at) AS left_at FROM conversations c JOIN children k ON k.id = c.child_id
    WHERE c.ended_at IS NULL AND coalesce(c.last_turn_at, c.started_at) <= $1 AND (c.lease_until IS NULL OR c.lease_until <= $2)
      AND NOT c.id = ANY($4::uuid[])
    ORDER BY left_at LIMIT $3`,
}
const listFormat = new Intl.ListFormat('en', { type: 'conjunction' })

/** "Emma explored what stars are and why they twinkle!": what was told, the last and deepest things first in line to be named. */
export function summaryOf(childName: string, topic: Topic, about: readonly string[]): string {
  const named = [...new Set(about)].slice(-THINGS_NAMED)
  return named.length === 0 ? `${childName} had a first look at ${topic.name}.` : `${childName} explored ${listFormat.format(named)}!`
}

export function endingService({ db, clock, curriculum, live, badges, onError }: EndingDeps) {
  const present = ({ stars, badges: earned, ...outcome }: StoredOutcome): ConversationOutcome => ({
    ...outcome,
    rewards: [...(stars > 0 ? [{ type: 'star' as const, amount: stars }] : []), ...badgeRewards(badges, earned)],
  })

  /** What was told, in words that complete "explored ..."; nothing of a topic that has been restricted since. */
  function aboutOf(child: ActiveChild, told: string): readonly string[] {
    if (told === SPARK_ANSWERED) return ["today's spark"]
    const passage = curriculum.passage(told)
    return passage && !child.restrictedTopics.has(passage.topic.id) ? [passage.about] : []
  }

  async function lock(tx: Transaction, childId: string, conversationId: string): Promise<LockedConversation | undefined> {
    await holdChild(tx, childId)
    const [conversation] = await tx.$queryRaw<LockedConversation[]>`
      SELECT topic_id, ended_at, lease_until, last_turn_at, started_at, depth, child_turns, topic_depth_before, time_ms, told, outcome
      FROM conversations WHERE id = ${conversationId}::uuid AND child_id = ${childId}::uuid FOR UPDATE`
    return conversation
  }

  /** Books the time up to the end. Nothing runs on after it: a child who has ended a talk does not learn until the next event. */
  async function bookEnd(tx: Transaction, child: ActiveChild, topicId: string, now: Instant): Promise<void> {
    const [learner] = await tx.$queryRaw<{ last_event_at: Date | null; last_topic_id: string | null }[]>`
      SELECT last_event_at, last_topic_id FROM learners WHERE child_id = ${child.id}::uuid FOR UPDATE`
    const last = { lastEventAt: learner?.last_event_at?.getTime() ?? null, lastTopicId: learner?.last_topic_id ?? null }
    const [days, topics, ms] = bookingValues(bookingsFor(last, now, child, topicId, 0))
    await tx.$executeRaw`
      INSERT INTO topic_days AS d (child_id, day, topic_id, time_ms)
      SELECT ${child.id}::uuid, b.day, b.topic_id, b.ms FROM unnest(${days}::text[]::date[], ${topics}::text[]::uuid[], ${ms}::int[]) AS b(day, topic_id, ms)
      ON CONFLICT (child_id, day, topic_id) DO UPDATE SET time_ms = d.time_ms + excluded.time_ms`
    await tx.$executeRaw`UPDATE learners SET last_event_at = NULL WHERE child_id = ${child.id}::uuid`
  }

  /** Pays the stars of a conversation, once: wallet and ledger move together, under the wallet's lock. */
  async function payStars(
    tx: Transaction,
    child: ActiveChild,
    day: LocalDate,
    conversationId: string,
    topicId: string,
    depth: number,
    now: Instant,
  ): Promise<number> {
    await lockWallet(tx, child.id)
    const [paid] = await tx.$queryRaw<{ depth_paid: number; stars_today: number }[]>`
      SELECT coalesce((SELECT depth_paid FROM topic_days WHERE child_id = ${child.id}::uuid AND day = ${day}::date AND topic_id = ${topicId}::uuid), 0) AS depth_paid,
        (SELECT coalesce(sum(amount), 0)::int FROM star_ledger WHERE child_id = ${child.id}::uuid AND day = ${day}::date AND reason LIKE 'conversation:%') AS stars_today`
    const stars = starsFor(depth, paid?.depth_paid ?? 0, paid?.stars_today ?? 0)
    await tx.$executeRaw`
      INSERT INTO topic_days AS d (child_id, day, topic_id, depth_paid) VALUES (${child.id}::uuid, ${day}::date, ${topicId}::uuid, ${depth})
      ON CONFLICT (child_id, day, topic_id) DO UPDATE SET depth_paid = greatest(d.depth_paid, excluded.depth_paid)`
    if (stars > 0) {
      await moveStars(tx, child.id, { reason: `conversation:${conversationId}`, amount: stars, day, at: now })
    }
    return stars
  }

  /** Ends a locked conversation as of `at`: what it came to, its stars, its place in time. */
  async function close(tx: Transaction, child: ActiveChild, conversationId: string, conversation: LockedConversation, at: Instant): Promise<StoredOutcome> {
    const topic = curriculum.topic(conversation.topic_id) as Topic
    const stars = conversation.child_turns === 0 ? 0 : await payStars(tx, child, child.today, conversationId, topic.id, conversation.depth, at)
    const earned = await tx.badge.findMany({ where: { conversationId }, select: { badgeId: true } })
    const withheldTurns = await tx.message.count({ where: { childId: child.id, conversationId, withheld: true, role: 'assistant' } })
    const idleMs = at - (conversation.last_turn_at ?? conversation.started_at).getTime()
    const timeMs = conversation.time_ms + Math.min(Math.max(0, idleMs), LONGEST_GAP_MS)
    const told = conversation.told.flatMap((key) => aboutOf(child, key))
    const stored: StoredOutcome = {
      conversationId,
      summary: summaryOf(child.name, topic, told),
      durationMinutes: Math.floor(timeMs / MINUTE),
      depthReached: conversation.depth,
      questionsAsked: conversation.child_turns - withheldTurns,
      topicName: topic.name,
      previousDepth: conversation.topic_depth_before,
      newDepth: Math.max(conversation.topic_depth_before, conversation.depth),
      stars,
      badges: earned.map((badge) => badge.badgeId),
    }
    await tx.conversation.update({
      where: { id: conversationId },
      data: { endedAt: new Date(at), timeMs, leaseToken: null, leaseUntil: null, outcome: stored as object },
    })
    tx.afterCommit(() => {
      if (stars > 0) live.publish(child.id, { type: 'reward_earned', reward: toRewardView({ type: 'star', amount: stars }) })
    })
    return stored
  }

  /** A child that was erased meanwhile has nothing left to end; anything else is worth a line. */
  function report(error: unknown): false {
    if (!(error instanceof AppError && error.code === 'CHILD_ACCESS_DENIED')) onError(error)
    return false
  }

  /** Ends one conversation that has been left alone, as of its last turn; nothing happens when the child came back meanwhile. */
  async function endLeftAlone(idle: IdleConversation, now: Instant): Promise<boolean> {
    const at = idle.left_at.getTime()
    const child = await requireChild(db, idle.parent_id, idle.child_id, at)
    return db.transaction(async (tx) => {
      const conversation = await lock(tx, child.id, idle.id)
      const leftAt = conversation && (conversation.last_turn_at ?? conversation.started_at).getTime()
      if (!conversation || conversation.outcome || leftAt !== at || isBusy(conversation, now)) return false
      await close(tx, child, idle.id, conversation, at)
      return true
    })
  }

  return {
    /**
     * Ends a conversation and pays its stars, in one transaction; a second call tells what the first one did.
     * Throws NOT_FOUND, FORBIDDEN (restricted topic) and CONFLICT while a turn is being carried out.
     */
    async end(child: ActiveChild, conversationId: string): Promise<ConversationOutcome> {
      const now = clock.now()
      const outcome = await db.transaction(async (tx) => {
        const conversation = await lock(tx, child.id, conversationId)
        if (!conversation) throw new AppError('NOT_FOUND')
        if (child.restrictedTopics.has(conversation.topic_id)) throw new AppError('FORBIDDEN', { message: 'This topic is restricted' })
        if (conversation.outcome) return conversation.outcome
        if (isBusy(conversation, now)) throw new AppError('CONFLICT', { message: 'A message is still being answered' })
        // Wallet before learner, as everything that needs both has it.
        await lockWallet(tx, child.id)
        await bookEnd(tx, child, conversation.topic_id, now)
        return close(tx, child, conversationId, conversation, now)
      })
      return present(outcome)
    },

    /**
     * Ends the conversations that nobody has gone on with for half an hour, each as of its last turn and on that day; how
     * many there were. Instances may do so together: each conversation is ended, and paid, once.
     */
    async endIdle(): Promise<number> {
      const now = clock.now()
      const seen: string[] = []
      let ended = 0
      for (;;) {
        const found = await db.query<IdleConversation>(IDLE, [new Date(now - IDLE_MS), new Date(now), IDLE_AT_ONCE, seen])
        for (const idle of found) {
          seen.push(idle.id)
          // One that cannot be ended is told of and keeps nobody else waiting.
          if (await endLeftAlone(idle, now).catch(report)) ended += 1
        }
        if (found.length < IDLE_AT_ONCE) return ended
      }
    },
  }
}
export type EndingService = ReturnType<typeof endingService>

type IdleConversation = { id: string; child_id: string; parent_id: string; left_at: Date }

const isBusy = (conversation: LockedConversation, now: Instant): boolean => conversation.lease_until !== null && conversation.lease_until.getTime() > now
