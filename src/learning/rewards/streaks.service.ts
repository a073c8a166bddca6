import { type ActiveChild, holdChild } from '../../family/child-access.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import { addDays, type LocalDate } from '../../platform/local-date.ts'
import { toRewardView } from '../conversations/conversations.schemas.ts'
import type { LiveEvents } from '../gateway/live-events.ts'
import type { BadgeCatalogue } from './badges.ts'
import { badgeRewards } from './rewards.ts'
import {
  daysToFreeze,
  freezesForCounting,
  lastCounted,
  longestStreak,
  milestonesPassed,
  nextMilestone,
  type StreakDays,
  streakAt,
  streakBadgeId,
  streakLengths,
} from './streak.ts'
import { type StreakDates, streakDates, streakDaysOf } from './streak-days.ts'

const HISTORY_DAYS = 30

export interface StreakState {
  readonly current: number
  readonly longest: number
  readonly lastActivity: LocalDate | undefined
  readonly freezes: number
  readonly nextMilestone: number
  /** The last 30 days, newest first. */
  readonly history: readonly { readonly day: LocalDate; readonly active: boolean; readonly frozen: boolean; readonly streak: number }[]
}

const STREAK: Statement = {
  name: 'streaks.state',
  text: `SELECT l.freezes, ${streakDates('l.child_id')} AS streak_dates FROM learners l WHERE l.child_id = $1`,
}

export interface StreaksDeps {
  readonly db: Database
  readonly clock: Clock
  readonly live: LiveEvents
  readonly badges: BadgeCatalogue
}

export function streaksService({ db, clock, live, badges }: StreaksDeps) {
  function stateOf(today: LocalDate, days: StreakDays, freezes: number): StreakState {
    const current = streakAt(today, days)
    const lengths = streakLengths(days)
    return {
      current,
      longest: longestStreak(days),
      lastActivity: lastCounted(days),
      freezes,
      nextMilestone: nextMilestone(current),
      history: Array.from({ length: HISTORY_DAYS }, (_, index) => {
        const day = addDays(today, -index)
        return { day, active: days.counted.has(day), frozen: days.frozen.has(day) && !days.counted.has(day), streak: lengths.get(day) ?? 0 }
      }),
    }
  }

  return {
    async state(child: ActiveChild): Promise<StreakState> {
      const [row] = await db.query<{ freezes: number; streak_dates: StreakDates }>(STREAK, [child.id])
      if (!row) throw new AppError('CHILD_ACCESS_DENIED')
      return stateOf(child.today, streakDaysOf(row.streak_dates), row.freezes)
    },

    /**
     * Under `operationId`, once: covers the days missed since the last counted one, or today when none is missed; one freeze a day, all or nothing.
     * Throws UNPROCESSABLE_ENTITY when they do not suffice or there is no streak to save, CONFLICT when nothing needs one.
     */
    async freeze(child: ActiveChild, operationId: string): Promise<StreakState> {
      const at = new Date(clock.now())
      return db.transaction(async (tx) => {
        await holdChild(tx, child.id)
        const [row] = await tx.$queryRaw<{ freezes: number }[]>`SELECT freezes FROM learners WHERE child_id = ${child.id}::uuid FOR UPDATE`
        if (!row) throw new AppError('CHILD_ACCESS_DENIED')
        // A statement of its own, under the lock: the one that waited sees the ledger as it was when it began to wait.
        const [locked] = await tx.$queryRawUnsafe<{ streak_dates: StreakDates }[]>(`SELECT ${streakDates('$1::uuid')} AS streak_dates`, child.id)
        const days = streakDaysOf((locked as { streak_dates: StreakDates }).streak_dates)
        if ((await tx.freezeEntry.count({ where: { childId: child.id, operationId } })) > 0) return stateOf(child.today, days, row.freezes)
        const covered = daysToFreeze(child.today, days)
        if (covered.length === 0) {
          if (days.counted.size === 0)
            throw new AppError('UNPROCESSABLE_ENTITY', {
              message: 'There is no streak to save yet',
              reason: 'no_streak',
              child: 'Start a streak first. Let us explore something!',
            })
          throw new AppError('CONFLICT', { message: 'Nothing needs a freeze', reason: 'not_needed', child: 'Your streak is safe already!' })
        }
        if (covered.length > row.freezes)
          throw new AppError('UNPROCESSABLE_ENTITY', {
            message: `${covered.length} freezes are needed and ${row.freezes} are left`,
            reason: 'too_few_freezes',
            child: 'You do not have enough freezes for that. Let us start a new streak!',
          })
        const after = { counted: days.counted, frozen: new Set([...days.frozen, ...covered]) }
        const inHand = row.freezes - covered.length
        // A gap closed under a day that has counted may bring the streak to a seventh day.
        const earned = days.counted.has(child.today)
          ? freezesForCounting(child.today, after, inHand).filter((change) => change.reason.startsWith('streak:'))
          : []
        const entries = [...covered.map((day) => ({ reason: `used:${day}`, amount: -1, day })), ...earned]
        const added = await tx.freezeEntry.createMany({
          data: entries.map(({ day, ...entry }) => ({ ...entry, childId: child.id, day: new Date(day), createdAt: at, operationId })),
          skipDuplicates: true,
        })
        const freezes = row.freezes - covered.length + (added.count - covered.length)
        await tx.learner.update({ where: { childId: child.id }, data: { freezes } })
        const streak = streakAt(child.today, after)
        const given = await tx.badge.createManyAndReturn({
          data: milestonesPassed(streak).map((length) => ({ childId: child.id, badgeId: streakBadgeId(length), earnedAt: at })),
          skipDuplicates: true,
        })
        tx.afterCommit(() => {
          for (const reward of badgeRewards(
            badges,
            given.map((badge) => badge.badgeId),
          ))
            live.publish(child.id, { type: 'reward_earned', reward: toRewardView(reward) })
        })
        return stateOf(child.today, after, freezes)
      })
    },
  }
}
export type StreaksService = ReturnType<typeof streaksService>
