import { z } from 'zod'
import { ChildSettingsPatch } from '../../family/family.schemas.ts'
import { isoSeconds } from '../../platform/clock.ts'
import { PageLimit } from '../../platform/http/cursor.ts'
import { LocalDateText, Timestamp } from '../../platform/http/envelope.ts'
import { SafetyFlagView, toSafetyFlagView } from '../../safety/flags.ts'
import { perSkill } from '../progress/growth.ts'
import { type ChildActivity, type ChildSummary, type ConversationLine, type FullConversation, PERIODS, type PeriodName } from './dashboard.service.ts'

export const PeriodText = z.enum(PERIODS).default('week').meta({ description: 'The last 1, 7 or 30 local days, today included' })

export const SummaryQuery = z.strictObject({ child_id: z.uuid().toLowerCase().optional(), period: PeriodText })
export const ActivityQuery = z.strictObject({
  period: PeriodText,
  include_conversations: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true'),
})
const Day = LocalDateText.refine((day) => day >= '1900-01-01' && day < '2200-01-01', 'Must lie between 1900 and 2199')

export const LogQuery = z.strictObject({
  from_date: Day.optional().meta({ description: 'First local day' }),
  to_date: Day.optional().meta({ description: 'Last local day, included' }),
  topic_id: z.uuid().toLowerCase().optional(),
  limit: PageLimit(20),
  cursor: z.string().max(200).optional(),
})
export const SettingsBody = ChildSettingsPatch.meta({
  example: { daily_time_limit_minutes: 45, bedtime_start: '19:30', bedtime_end: '07:00', restricted_topics: ['770e8400-e29b-41d4-a716-446655440010'] },
})
export const GrantBody = z.strictObject({ minutes: z.int().min(1).max(240) }).meta({ example: { minutes: 15 } })
export const PauseBody = z
  .strictObject({ paused: z.boolean().default(true) })
  .nullish()
  .meta({ example: { paused: true } })

export const SettingsView = z
  .object({
    sound_enabled: z.boolean(),
    voice_over_enabled: z.boolean(),
    daily_time_limit_minutes: z.int(),
    bedtime_start: z.string().nullable(),
    bedtime_end: z.string().nullable(),
    restricted_topics: z.array(z.uuid()),
    granted_minutes: z.int().meta({ description: 'Added to the limit of today' }),
    paused: z.boolean(),
  })
  .meta({
    id: 'ChildSettings',
    example: {
      sound_enabled: true,
      voice_over_enabled: true,
      daily_time_limit_minutes: 45,
      bedtime_start: '19:30',
      bedtime_end: '07:00',
      restricted_topics: ['770e8400-e29b-41d4-a716-446655440010'],
      granted_minutes: 0,
      paused: false,
    },
  })

export const DashboardView = z
  .object({
    period: z.enum(PERIODS),
    children: z.array(
      z.object({
        id: z.uuid(),
        name: z.string(),
        summary: z.object({
          total_time_minutes: z.int(),
          sessions_count: z.int().meta({ description: 'Conversations in which the child said something' }),
          topics_explored: z.int().meta({ description: 'Topics talked about' }),
          new_topics_unlocked: z.int(),
          brain_sparks_completed: z.int(),
          current_streak: z.int(),
          stars_earned: z.int(),
        }),
        daily_breakdown: z.array(z.object({ date: LocalDateText, minutes: z.int(), active: z.boolean() })).meta({ description: 'Newest first' }),
      }),
    ),
  })
  .meta({
    example: {
      period: 'week',
      children: [
        {
          id: '660e8400-e29b-41d4-a716-446655440001',
          name: 'Emma',
          summary: {
            total_time_minutes: 180,
            sessions_count: 12,
            topics_explored: 5,
            new_topics_unlocked: 2,
            brain_sparks_completed: 7,
            current_streak: 12,
            stars_earned: 145,
          },
          daily_breakdown: [
            { date: '2024-12-15', minutes: 25, active: true },
            { date: '2024-12-14', minutes: 40, active: true },
          ],
        },
      ],
    },
  })

export const GrowthView = z.object({ score: z.int().min(0).max(100), change: z.int() })
export const TopicRef = z.object({ id: z.uuid(), name: z.string() })

export const ActivityView = z
  .object({
    child: z.object({ id: z.uuid(), name: z.string() }),
    topics_explored: z.array(
      z.object({
        topic_id: z.uuid(),
        name: z.string(),
        time_spent_minutes: z.int(),
        depth_change: z.object({ from: z.int(), to: z.int() }),
        sample_questions: z.array(z.string()).meta({ description: "In the child's own words, the latest three" }),
      }),
    ),
    cognitive_growth: z.object(perSkill(() => GrowthView)),
    conversations: z
      .array(z.object({ id: z.uuid(), topic: z.string(), date: Timestamp, duration_minutes: z.int(), depth_reached: z.int(), excerpt: z.string() }))
      .optional()
      .meta({ description: 'With include_conversations=true: the latest 100 of the period' }),
  })
  .meta({
    example: {
      child: { id: '660e8400-e29b-41d4-a716-446655440001', name: 'Emma' },
      topics_explored: [
        {
          topic_id: '770e8400-e29b-41d4-a716-446655440001',
          name: 'Space',
          time_spent_minutes: 45,
          depth_change: { from: 2, to: 4 },
          sample_questions: ["How do rockets escape Earth's gravity?", 'What makes stars twinkle?'],
        },
      ],
      cognitive_growth: {
        critical_thinking: { score: 75, change: 5 },
        creative_thinking: { score: 68, change: 3 },
        logical_reasoning: { score: 62, change: 8 },
        knowledge_connection: { score: 45, change: 10 },
      },
    },
  })

export const LogView = z
  .object({
    id: z.uuid(),
    topic: TopicRef,
    started_at: Timestamp,
    ended_at: Timestamp.nullable(),
    messages_count: z.int().meta({ description: 'The opening left out' }),
    depth_reached: z.int(),
  })
  .meta({
    id: 'ConversationLog',
    example: {
      id: '880e8400-e29b-41d4-a716-446655440001',
      topic: { id: '770e8400-e29b-41d4-a716-446655440001', name: 'Space' },
      started_at: '2024-12-15T10:35:00Z',
      ended_at: '2024-12-15T10:47:00Z',
      messages_count: 16,
      depth_reached: 3,
    },
  })

export const FullConversationView = z
  .object({
    id: z.uuid(),
    child: z.object({ id: z.uuid(), name: z.string() }),
    topic: TopicRef,
    started_at: Timestamp,
    ended_at: Timestamp.nullable(),
    depth_reached: z.int(),
    messages: z.array(z.object({ id: z.uuid(), role: z.enum(['user', 'assistant']), content: z.string(), timestamp: Timestamp })),
    safety_flags: z.array(SafetyFlagView),
  })
  .meta({ id: 'FullConversation' })

export const toDashboardView = (period: PeriodName, children: readonly ChildSummary[]): z.infer<typeof DashboardView> => ({
  period,
  children: children.map((child) => ({
    id: child.id,
    name: child.name,
    summary: {
      total_time_minutes: child.totalTimeMinutes,
      sessions_count: child.sessions,
      topics_explored: child.topicsExplored,
      new_topics_unlocked: child.newTopicsUnlocked,
      brain_sparks_completed: child.sparksCompleted,
      current_streak: child.currentStreak,
      stars_earned: child.starsEarned,
    },
    daily_breakdown: child.days.map(({ day, minutes, isActive }) => ({ date: day, minutes, active: isActive })),
  })),
})

export const toActivityView = (
  child: { readonly id: string; readonly name: string },
  { topics, growth, conversations }: ChildActivity,
  withConversations: boolean,
): z.infer<typeof ActivityView> => ({
  child: { id: child.id, name: child.name },
  topics_explored: topics.map(({ topic, timeSpentMinutes, depthFrom, depthTo, sampleQuestions }) => ({
    topic_id: topic.id,
    name: topic.name,
    time_spent_minutes: timeSpentMinutes,
    depth_change: { from: depthFrom, to: depthTo },
    sample_questions: [...sampleQuestions],
  })),
  cognitive_growth: perSkill((skill) => ({ score: growth[skill].score, change: growth[skill].change })),
  ...(withConversations && {
    conversations: conversations.map((line) => ({
      id: line.id,
      topic: line.topic.name,
      date: isoSeconds(line.startedAt),
      duration_minutes: line.durationMinutes,
      depth_reached: line.depth,
      excerpt: line.excerpt,
    })),
  }),
})

export const toLogView = (line: ConversationLine): z.infer<typeof LogView> => ({
  id: line.id,
  topic: { id: line.topic.id, name: line.topic.name },
  started_at: isoSeconds(line.startedAt),
  ended_at: line.endedAt && isoSeconds(line.endedAt),
  messages_count: line.messages,
  depth_reached: line.depth,
})

export const toFullConversationView = (conversation: FullConversation): z.infer<typeof FullConversationView> => ({
  id: conversation.id,
  child: conversation.child,
  topic: { id: conversation.topic.id, name: conversation.topic.name },
  started_at: isoSeconds(conversation.startedAt),
  ended_at: conversation.endedAt && isoSeconds(conversation.endedAt),
  depth_reached: conversation.depth,
  messages: conversation.messages.map(({ at, ...message }) => ({ ...message, timestamp: isoSeconds(at) })),
  safety_flags: conversation.flags.map(toSafetyFlagView),
})
