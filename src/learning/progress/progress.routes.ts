import { z } from 'zod'
import { isoSeconds } from '../../platform/clock.ts'
import { Data, data, List, LocalDateText, list, Timestamp } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { MAX_DEPTH } from '../content/curriculum.schema.ts'
import type { ActivityDay, ProgressService, ProgressSummary, TopicProgressLine } from './progress.service.ts'

const tags = ['Progress']

const SummaryView = z
  .object({
    total_time_spent_minutes: z.int(),
    topics_unlocked: z.int(),
    topics_explored: z.int().meta({ description: 'At depth 3 or deeper' }),
    total_depth_reached: z.int().meta({ description: 'The depths of all topics together' }),
    conversations_count: z.int().meta({ description: 'With at least one turn of the child' }),
    questions_asked: z.int().meta({ description: "The child's turns" }),
    aha_moments: z.int().meta({ description: 'Turns that raised a topic to depth 3, 6 or 10, or discovered a connection' }),
    streak: z.object({ current: z.int(), longest: z.int() }),
    stars: z.object({ balance: z.int(), lifetime_earned: z.int() }),
    badges_count: z.int(),
  })
  .meta({
    example: {
      total_time_spent_minutes: 480,
      topics_unlocked: 8,
      topics_explored: 5,
      total_depth_reached: 15,
      conversations_count: 45,
      questions_asked: 320,
      aha_moments: 12,
      streak: { current: 12, longest: 25 },
      stars: { balance: 234, lifetime_earned: 567 },
      badges_count: 8,
    },
  })

const TopicProgressView = z
  .object({
    topic_id: z.uuid(),
    topic_name: z.string(),
    depth_level: z.int(),
    max_depth: z.int(),
    time_spent_minutes: z.int(),
    conversations_count: z.int(),
    unlocked_at: Timestamp.nullable().meta({ description: 'Since when the topic has been open; null when a change of its prerequisites has closed it since' }),
    last_interaction: Timestamp.nullable(),
  })
  .meta({
    example: {
      topic_id: '770e8400-e29b-41d4-a716-446655440001',
      topic_name: 'Space',
      depth_level: 4,
      max_depth: 10,
      time_spent_minutes: 120,
      conversations_count: 15,
      unlocked_at: '2024-01-20T10:00:00Z',
      last_interaction: '2024-12-14T15:30:00Z',
    },
  })

const ActivityQuery = z.strictObject({ days: z.coerce.number().int().min(1).max(30).default(7) })
const ActivityView = z
  .object({
    date: LocalDateText,
    time_spent_minutes: z.int(),
    topics_explored: z.array(z.string()).meta({ description: 'Topics talked about that day, the longest first' }),
    brain_spark_completed: z.boolean(),
    stars_earned: z.int(),
    streak_day: z.int().meta({ description: 'The length of the streak on that day, 0 on a day without learning or freeze' }),
  })
  .meta({
    example: {
      date: '2024-12-15',
      time_spent_minutes: 25,
      topics_explored: ['Space', 'Physics'],
      brain_spark_completed: true,
      stars_earned: 35,
      streak_day: 12,
    },
  })

const toSummaryView = (summary: ProgressSummary): z.infer<typeof SummaryView> => ({
  total_time_spent_minutes: summary.timeSpentMinutes,
  topics_unlocked: summary.topicsUnlocked,
  topics_explored: summary.topicsExplored,
  total_depth_reached: summary.totalDepth,
  conversations_count: summary.conversations,
  questions_asked: summary.questions,
  aha_moments: summary.ahaMoments,
  streak: { current: summary.streak, longest: summary.longestStreak },
  stars: { balance: summary.stars.balance, lifetime_earned: summary.stars.lifetimeEarned },
  badges_count: summary.badges,
})

const toTopicProgressView = (line: TopicProgressLine): z.infer<typeof TopicProgressView> => ({
  topic_id: line.topic.id,
  topic_name: line.topic.name,
  depth_level: line.depth,
  max_depth: MAX_DEPTH,
  time_spent_minutes: line.timeSpentMinutes,
  conversations_count: line.conversations,
  unlocked_at: line.unlockedAt === undefined ? null : isoSeconds(line.unlockedAt),
  last_interaction: line.lastInteraction === undefined ? null : isoSeconds(line.lastInteraction),
})

const toActivityView = (day: ActivityDay): z.infer<typeof ActivityView> => ({
  date: day.day,
  time_spent_minutes: day.timeSpentMinutes,
  topics_explored: day.topics.map((topic) => topic.name),
  brain_spark_completed: day.isSparkCompleted,
  stars_earned: day.starsEarned,
  streak_day: day.streakDay,
})

/** Section 5 of the learning contract. */
export function registerProgressRoutes(app: TypedApp, progress: ProgressService): void {
  const config = { actor: 'child', limit: 'general' } as const

  app.get('/progress', { config, schema: { tags, summary: 'Get the progress of a child', response: { 200: Data(SummaryView) } } }, async (request) =>
    data(request, toSummaryView(await progress.summary(request.child))),
  )

  app.get(
    '/progress/topics',
    {
      config,
      schema: {
        tags,
        summary: 'Get the progress in each topic',
        description: 'Topics the child has begun, in the order of the map.',
        response: { 200: List(TopicProgressView) },
      },
    },
    async (request) => list(request, (await progress.topics(request.child)).map(toTopicProgressView)),
  )

  app.get(
    '/progress/activity',
    {
      config,
      schema: {
        tags,
        summary: 'Get recent activity',
        description: "The last days of the child's own calendar, newest first, days without learning included.",
        querystring: ActivityQuery,
        response: { 200: List(ActivityView) },
      },
    },
    async (request) => list(request, (await progress.activity(request.child, request.query.days)).map(toActivityView)),
  )
}
