import type { ActiveChild } from '../../family/child-access.ts'
import { type Instant, MINUTE } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import { addDays, type LocalDate } from '../../platform/local-date.ts'
import { mapStateOf, type ProgressPairs, progressPairs } from '../constellation/map-state.ts'
import { constellationOf } from '../constellation/topic-map.ts'
import { withheldTurns } from '../conversations/conversation.ts'
import { type Curriculum, type Topic, topicsOf } from '../curriculum/curriculum.ts'
import { longestStreak, streakAt, streakLengths } from '../rewards/streak.ts'
import { type StreakDates, streakDates, streakDaysOf } from '../rewards/streak-days.ts'
import { ahaMoments, type DepthStepRows, depthSteps, depthStepsOf, unlockedAt } from './depth-steps.ts'

export interface ProgressSummary {
  readonly timeSpentMinutes: number
  readonly topicsUnlocked: number
  readonly topicsExplored: number
  readonly totalDepth: number
  readonly conversations: number
  readonly questions: number
  readonly ahaMoments: number
  readonly streak: number
  readonly longestStreak: number
  readonly stars: { readonly balance: number; readonly lifetimeEarned: number }
  readonly badges: number
}

export interface TopicProgressLine {
  readonly topic: Topic
  readonly depth: number
  readonly timeSpentMinutes: number
  readonly conversations: number
  readonly unlockedAt: Instant | undefined
  readonly lastInteraction: Instant | undefined
}

export interface ActivityDay {
  readonly day: LocalDate
  readonly timeSpentMinutes: number
  readonly topics: readonly Topic[]
  readonly isSparkCompleted: boolean
  readonly starsEarned: number
  /** The length of the streak on that day; 0 on a day without learning or freeze. */
  readonly streakDay: number
}

const SUMMARY: Statement = {
  name: 'progress.summary',
  text: `
    SELECT l.child_turns - ${withheldTurns('l.child_id')} AS child_turns, ${progressPairs('l.child_id')} AS progress, ${streakDates('l.child_id')} AS streak_dates, ${depthSteps('l.child_id')} AS steps,
      (SELECT coalesce(sum(d.time_ms), 0)::float8 FROM topic_days d WHERE d.child_id = l.child_id) AS time_ms,
      (SELECT coalesce(sum(p.conversations_count), 0)::int FROM topic_progress p WHERE p.child_id = l.child_id) AS conversations,
      (SELECT count(*)::int FROM badges b WHERE b.child_id = l.child_id) AS badges, w.balance, w.lifetime_earned
    FROM learners l JOIN wallets w ON w.child_id = l.child_id WHERE l.child_id = $1`,
}

const TOPICS: Statement = {
  name: 'progress.topics',
  text: `
    SELECT ${depthSteps('c.id')} AS steps, c.created_at,
      (SELECT coalesce(json_agg(json_build_array(p.topic_id, p.depth, p.conversations_count, extract(epoch FROM p.last_interaction) * 1000,
        (SELECT coalesce(sum(d.time_ms), 0) FROM topic_days d WHERE d.child_id = c.id AND d.topic_id = p.topic_id))), '[]')
        FROM topic_progress p WHERE p.child_id = c.id) AS topics
    FROM children c WHERE c.id = $1`,
}

// One row for each day that has anything; the days without are added where they are shown.
const ACTIVITY: Statement = {
  name: 'progress.activity',
  text: `
    SELECT ${streakDates('$1')} AS streak_dates,
      (SELECT coalesce(json_agg(json_build_array(d.day, d.topic_id, d.time_ms, d.turns) ORDER BY d.time_ms DESC, d.topic_id), '[]')
        FROM topic_days d WHERE d.child_id = $1 AND d.day BETWEEN $2::date AND $3::date) AS topic_days,
      (SELECT coalesce(json_agg(json_build_array(e.day, e.stars)), '[]') FROM
        (SELECT day, sum(amount) AS stars FROM star_ledger WHERE child_id = $1 AND amount > 0 AND day BETWEEN $2::date AND $3::date GROUP BY day) e) AS stars,
      (SELECT coalesce(json_agg(s.day), '[]') FROM daily_sparks s WHERE s.child_id = $1 AND s.completed_at IS NOT NULL AND s.day BETWEEN $2::date AND $3::date) AS sparks`,
}

type SummaryRow = {
  child_turns: number
  progress: ProgressPairs
  streak_dates: StreakDates
  steps: DepthStepRows
  time_ms: number
  conversations: number
  badges: number
  balance: number
  lifetime_earned: number
}
type TopicRow = readonly [topicId: string, depth: number, conversations: number, lastInteraction: number | null, timeMs: number]
type ActivityRow = {
  streak_dates: StreakDates
  topic_days: readonly (readonly [day: LocalDate, topicId: string, timeMs: number, turns: number])[]
  stars: readonly (readonly [day: LocalDate, stars: number])[]
  sparks: readonly LocalDate[]
}

/** What a child has done, each in one round trip, whatever the number of days and conversations. */
export function progressService(db: Database, curriculum: Curriculum) {
  return {
    async summary(child: ActiveChild): Promise<ProgressSummary> {
      const [row] = await db.query<SummaryRow>(SUMMARY, [child.id])
      if (!row) throw new AppError('CHILD_ACCESS_DENIED')
      const { topics } = constellationOf(curriculum, mapStateOf(child, row.progress))
      const days = streakDaysOf(row.streak_dates)
      return {
        timeSpentMinutes: Math.floor(row.time_ms / MINUTE),
        topicsUnlocked: topics.filter((mapped) => mapped.status !== 'locked').length,
        topicsExplored: topics.filter((mapped) => mapped.status === 'explored').length,
        totalDepth: topics.reduce((sum, mapped) => sum + mapped.depth, 0),
        conversations: row.conversations,
        questions: row.child_turns,
        ahaMoments: ahaMoments(depthStepsOf(row.steps), curriculum.connections),
        streak: streakAt(child.today, days),
        longestStreak: longestStreak(days),
        stars: { balance: row.balance, lifetimeEarned: row.lifetime_earned },
        badges: row.badges,
      }
    },

    /** The topics a child has begun, in the order of the map, without restricted ones. */
    async topics(child: ActiveChild): Promise<TopicProgressLine[]> {
      const [row] = await db.query<{ steps: DepthStepRows; created_at: Date; topics: TopicRow[] }>(TOPICS, [child.id])
      if (!row) throw new AppError('CHILD_ACCESS_DENIED')
      const steps = depthStepsOf(row.steps)
      const begun = new Map(row.topics.map((line) => [line[0], line]))
      return topicsOf(curriculum, child.restrictedTopics).flatMap((topic) => {
        const line = begun.get(topic.id)
        if (!line) return []
        const [, depth, conversations, lastInteraction, timeMs] = line
        const opened = unlockedAt(topic, steps, row.created_at.getTime(), child.restrictedTopics)
        return [
          { topic, depth, conversations, timeSpentMinutes: Math.floor(timeMs / MINUTE), unlockedAt: opened, lastInteraction: lastInteraction ?? undefined },
        ]
      })
    },

    /** The last `days` local days, newest first, those without learning too. */
    async activity(child: ActiveChild, days: number): Promise<ActivityDay[]> {
      const [row] = await db.query<ActivityRow>(ACTIVITY, [child.id, addDays(child.today, 1 - days), child.today])
      const { streak_dates, topic_days, stars, sparks } = row as ActivityRow
      const lengths = streakLengths(streakDaysOf(streak_dates))
      const starsByDay = new Map(stars)
      return Array.from({ length: days }, (_, index) => {
        const day = addDays(child.today, -index)
        const rows = topic_days.filter((entry) => entry[0] === day)
        const talked = rows.filter(([, topicId, , turns]) => turns > 0 && !child.restrictedTopics.has(topicId))
        return {
          day,
          timeSpentMinutes: Math.floor(rows.reduce((sum, entry) => sum + entry[2], 0) / MINUTE),
          topics: talked.flatMap(([, topicId]) => curriculum.topic(topicId) ?? []),
          isSparkCompleted: sparks.includes(day),
          starsEarned: starsByDay.get(day) ?? 0,
          streakDay: lengths.get(day) ?? 0,
        }
      })
    },
  }
}
export type ProgressService = ReturnType<typeof progressService>
