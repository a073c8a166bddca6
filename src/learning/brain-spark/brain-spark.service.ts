import { type ActiveChild, holdChild } from '../../family/child-access.ts'
import type { Clock, Instant } from '../../platform/clock.ts'
import type { Database, Statement, Transaction } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import { newId } from '../../platform/ids.ts'
import { addDays, type LocalDate, startOfDay } from '../../platform/local-date.ts'
import { toRewardView } from '../conversations/conversations.schemas.ts'
import type { Curriculum, Spark } from '../curriculum/curriculum.ts'
import type { LiveEvents } from '../gateway/live-events.ts'
import type { Reward } from '../rewards/rewards.ts'
import { milestonesPassed, type StreakDays, streakAt } from '../rewards/streak.ts'
import { type StreakDates, streakDates, streakDaysOf } from '../rewards/streak-days.ts'
import { lockWallet, moveStars } from '../rewards/wallet.ts'
import { pickSpark, SPARK_REST_DAYS } from './daily-spark.ts'

/** Stars for a completed spark. */
const SPARK_STARS = 5

export interface TodaysSpark {
  readonly id: string
  readonly day: LocalDate
  readonly spark: Spark
  readonly isCompleted: boolean
  /** A streak that ends today unless the child learns. */
  readonly isStreakAtRisk: boolean
}

export interface SparkCompletion {
  readonly rewards: readonly Reward[]
  readonly streakBefore: number
  readonly streak: number
  /** The milestone that today's streak is, if it is one. */
  readonly milestone: number | undefined
}

type SparkRow = { id: string; spark_key: string; completed: boolean }

const TODAY: Statement = {
  name: 'sparks.today',
  text: `
    SELECT (SELECT json_build_object('id', s.id, 'spark_key', s.spark_key, 'completed', s.completed_at IS NOT NULL)
        FROM daily_sparks s WHERE s.child_id = l.child_id AND s.day = $2::date) AS today,
      (SELECT coalesce(array_agg(s.spark_key ORDER BY s.day DESC), '{}') FROM daily_sparks s WHERE s.child_id = l.child_id AND s.day <> $2::date AND s.day > $3::date) AS shown,
      ${streakDates('l.child_id')} AS streak_dates
    FROM learners l WHERE l.child_id = $1`,
}

// Two devices that ask at once get the same spark; one that the parent has since restricted makes way unless it is done.
const PUT: Statement = {
  name: 'sparks.put',
  text: `
    INSERT INTO daily_sparks AS s (id, child_id, day, spark_key, ends_at) SELECT $1::uuid, c.id, $3::date, $4, $6 FROM children c WHERE c.id = $2 FOR KEY SHARE
    ON CONFLICT (child_id, day) DO UPDATE SET spark_key = CASE WHEN s.spark_key = $5 AND s.completed_at IS NULL THEN excluded.spark_key ELSE s.spark_key END
    RETURNING id, spark_key, completed_at IS NOT NULL AS completed`,
}

export interface BrainSparkDeps {
  readonly db: Database
  readonly clock: Clock
  readonly curriculum: Curriculum
  readonly live: LiveEvents
}

export function brainSparkService({ db, clock, curriculum, live }: BrainSparkDeps) {
  const endOfDay = (child: ActiveChild): Instant => startOfDay(addDays(child.today, 1), child.timezone)
  const isAllowed = (child: ActiveChild) => (spark: Spark) => !child.restrictedTopics.has(spark.topic.id)

  /** The child's spark of today, chosen when it is first asked for. Throws NOT_FOUND when every topic of the sparks is restricted. */
  async function today(child: ActiveChild): Promise<TodaysSpark> {
    const [row] = await db.query<{ today: SparkRow | null; shown: string[]; streak_dates: StreakDates }>(TODAY, [
      child.id,
      child.today,
      addDays(child.today, -SPARK_REST_DAYS),
    ])
    if (!row) throw new AppError('CHILD_ACCESS_DENIED')
    const days = streakDaysOf(row.streak_dates)
    const isStreakAtRisk = !days.counted.has(child.today) && !days.frozen.has(child.today) && streakAt(child.today, days) > 0
    const known = row.today && curriculum.spark(row.today.spark_key)
    if (row.today && known && (row.today.completed || isAllowed(child)(known)))
      return { id: row.today.id, day: child.today, spark: known, isCompleted: row.today.completed, isStreakAtRisk }
    const spark = pickSpark(child.id, curriculum.sparksOf(child.ageGroup), row.shown, isAllowed(child))
    if (!spark) throw new AppError('NOT_FOUND', { message: 'Every topic that has sparks is restricted' })
    const [put] = await db.query<SparkRow>(PUT, [newId(), child.id, child.today, spark.key, row.today?.spark_key ?? null, new Date(endOfDay(child))])
    if (!put) throw new AppError('CHILD_ACCESS_DENIED')
    const stored = put
    return { id: stored.id, day: child.today, spark: curriculum.spark(stored.spark_key) ?? spark, isCompleted: stored.completed, isStreakAtRisk }
  }

  /** A conversation is given the spark of its day when it begins, so only the end of that day is left to look at. */
  async function requireAnswer(tx: Transaction, child: ActiveChild, sparkId: string, endsAt: Date, conversationId: string): Promise<void> {
    const [conversation] = await tx.$queryRaw<{ spark_id: string | null; answered: boolean }[]>`
      SELECT spark_id, EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id AND m.role = 'user' AND m.created_at < ${endsAt}) AS answered
      FROM conversations c WHERE id = ${conversationId}::uuid AND child_id = ${child.id}::uuid`
    if (!conversation) throw new AppError('NOT_FOUND', { message: 'There is no such conversation' })
    if (conversation.spark_id !== sparkId)
      throw new AppError('UNPROCESSABLE_ENTITY', {
        message: 'The conversation is not about this spark',
        reason: 'other_conversation',
        child: "Let us talk about today's question first!",
      })
    if (!conversation.answered)
      throw new AppError('UNPROCESSABLE_ENTITY', {
        message: 'The conversation had no turn on the day of the spark',
        reason: 'no_turn',
        child: 'Tell me what you think first!',
      })
  }

  function completionOf(day: LocalDate, days: StreakDays): SparkCompletion {
    // As the streak stood on the day of the spark, also when it is completed later.
    const upTo = (isCounted: (counted: LocalDate) => boolean) => streakAt(day, { counted: new Set([...days.counted].filter(isCounted)), frozen: days.frozen })
    const streak = upTo((counted) => counted <= day)
    return {
      rewards: [{ type: 'star', amount: SPARK_STARS }],
      streakBefore: upTo((counted) => counted < day),
      streak,
      milestone: milestonesPassed(streak).includes(streak) ? streak : undefined,
    }
  }

  return {
    today,

    /**
     * Completes a spark with a conversation about it that had a turn on its day, and pays five stars, once; again tells
     * the same. It may come after the day's time is used up, even after midnight: what was done in time is not lost.
     * Throws NOT_FOUND (spark or conversation) and UNPROCESSABLE_ENTITY (another conversation, or no turn yet).
     */
    async complete(child: ActiveChild, sparkId: string, conversationId: string): Promise<SparkCompletion> {
      const now: Instant = clock.now()
      return db.transaction(async (tx) => {
        await holdChild(tx, child.id)
        const [spark] = await tx.$queryRaw<{ id: string; day: string; ends_at: Date; completed_at: Date | null }[]>`
          SELECT id, day::text, ends_at, completed_at FROM daily_sparks WHERE id = ${sparkId}::uuid AND child_id = ${child.id}::uuid FOR UPDATE`
        if (!spark) throw new AppError('NOT_FOUND', { message: 'There is no such spark' })
        if (spark.completed_at === null) {
          await requireAnswer(tx, child, spark.id, spark.ends_at, conversationId)
          await lockWallet(tx, child.id)
          await tx.$executeRaw`UPDATE daily_sparks SET completed_at = ${new Date(now)}, conversation_id = ${conversationId}::uuid WHERE id = ${sparkId}::uuid`
          await moveStars(tx, child.id, { reason: `spark:${spark.id}`, amount: SPARK_STARS, day: child.today, at: now })
          tx.afterCommit(() => live.publish(child.id, { type: 'reward_earned', reward: toRewardView({ type: 'star', amount: SPARK_STARS }) }))
        }
        const [row] = await tx.$queryRawUnsafe<{ streak_dates: StreakDates }[]>(`SELECT ${streakDates('$1::uuid')} AS streak_dates`, child.id)
        return completionOf(spark.day, streakDaysOf((row as { streak_dates: StreakDates }).streak_dates))
      })
    },
  }
}
export type BrainSparkService = ReturnType<typeof brainSparkService>
