import { z } from 'zod'
import { Data, data, LocalDateText, UuidParam } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { SPARK_TYPES } from '../content/curriculum.schema.ts'
import { RewardView, toRewardView } from '../conversations/conversations.schemas.ts'
import { MilestoneView, toMilestoneView } from '../rewards/streaks.routes.ts'
import type { BrainSparkService, SparkCompletion, TodaysSpark } from './brain-spark.service.ts'

const tags = ['Brain spark']

const SparkView = z
  .object({
    id: z.uuid(),
    date: LocalDateText,
    spark_type: z.enum(SPARK_TYPES),
    question: z.string(),
    hints: z.array(z.string()),
    already_completed: z.boolean(),
    streak_at_risk: z.boolean().meta({ description: 'The streak ends today unless the child learns' }),
    topic: z.object({ id: z.uuid(), name: z.string() }),
    icon: z.string(),
  })
  .meta({
    id: 'BrainSpark',
    example: {
      id: 'aa0e8400-e29b-41d4-a716-446655440001',
      date: '2024-12-15',
      spark_type: 'what_if',
      question: 'What if you could talk to animals? Which animal would you talk to first?',
      hints: ['Think about your favorite animal...', 'What would you want to ask them?'],
      already_completed: false,
      streak_at_risk: false,
      topic: { id: '770e8400-e29b-41d4-a716-446655440006', name: 'Animals' },
      icon: 'paw',
    },
  })

const CompletionView = z
  .object({
    completed: z.literal(true),
    rewards: z.array(RewardView),
    streak_update: z.object({
      previous: z.int().meta({ description: 'The streak before the day of the spark counted' }),
      current: z.int(),
      milestone_reached: MilestoneView.nullable(),
    }),
  })
  .meta({ example: { completed: true, rewards: [{ type: 'star', amount: 5 }], streak_update: { previous: 11, current: 12, milestone_reached: null } } })

const toSparkView = ({ id, day, spark, isCompleted, isStreakAtRisk }: TodaysSpark): z.infer<typeof SparkView> => ({
  id,
  date: day,
  spark_type: spark.type,
  question: spark.question,
  hints: [...spark.hints],
  already_completed: isCompleted,
  streak_at_risk: isStreakAtRisk,
  topic: { id: spark.topic.id, name: spark.topic.name },
  icon: spark.icon,
})

const toCompletionView = ({ rewards, streakBefore, streak, milestone }: SparkCompletion): z.infer<typeof CompletionView> => ({
  completed: true,
  rewards: rewards.map(toRewardView),
  streak_update: { previous: streakBefore, current: streak, milestone_reached: milestone === undefined ? null : toMilestoneView(milestone) },
})

/** Sections 4.5 and 4.6 of the learning contract. */
export function registerBrainSparkRoutes(app: TypedApp, sparks: BrainSparkService): void {
  app.get(
    '/brain-spark',
    {
      config: { actor: 'child', limit: 'general', errors: ['NOT_FOUND'] },
      schema: {
        tags,
        summary: "Get today's spark",
        description:
          'One question a child and local day, in the voice of the age group; none comes back within 60 days. Sparks of restricted topics are never chosen.',
        response: { 200: Data(SparkView) },
      },
    },
    async (request) => data(request, toSparkView(await sparks.today(request.child))),
  )

  app.post(
    '/brain-spark/:spark_id/complete',
    {
      config: { actor: 'child', limit: 'general', errors: ['NOT_FOUND', 'UNPROCESSABLE_ENTITY'] },
      schema: {
        tags,
        summary: 'Complete a spark',
        description:
          'Needs a `brain_spark` conversation of this child about this spark with at least one turn on its day. Pays five stars once; completing again tells the same. ' +
          'Time limits hold for the conversation, not for completing: what was done in time is not lost.',
        params: UuidParam('spark_id'),
        body: z.strictObject({ conversation_id: z.uuid() }).meta({ example: { conversation_id: '880e8400-e29b-41d4-a716-446655440002' } }),
        response: { 200: Data(CompletionView) },
      },
    },
    async (request) => data(request, toCompletionView(await sparks.complete(request.child, request.params.spark_id, request.body.conversation_id))),
  )
}
