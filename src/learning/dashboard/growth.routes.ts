import { z } from 'zod'
import { isoSeconds } from '../../platform/clock.ts'
import { PageLimit } from '../../platform/http/cursor.ts'
import { Data, data, Paged, page, Timestamp, UuidParam } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { GROWTH_DESCRIPTION, perSkill, SKILLS } from '../progress/growth.ts'
import { GrowthView, PeriodText, TopicRef } from './dashboard.schemas.ts'
import { PERIODS, type PeriodName } from './dashboard.service.ts'
import type { ExplainedEvidence, ExplainedGrowth, GrowthService } from './growth.service.ts'

const tags = ['Dashboard']

const SkillText = z.enum(SKILLS)
const GrowthQuery = z.strictObject({
  period: PeriodText,
  skill: SkillText.optional().meta({ description: 'Only evidence of this way of thinking' }),
  limit: PageLimit(20),
  cursor: z.string().max(200).optional(),
})
const DismissParams = z.strictObject({ child_id: z.uuid().toLowerCase(), message_id: z.uuid().toLowerCase() })
const DismissBody = z
  .strictObject({ skill: SkillText, dismissed: z.boolean().default(true) })
  .meta({ example: { skill: 'critical_thinking', dismissed: true } })

const DismissedAt = Timestamp.nullable().meta({ description: 'Since when a parent has dismissed it; null while it counts' })
const MovedGrowthView = GrowthView.extend({
  gained: z.int().meta({ description: 'What the turns of the period have brought' }),
  faded: z.int().meta({ description: 'What older evidence has lost in the period, 0 or less. `change` is `gained` and `faded` together' }),
})
const EvidenceView = z
  .object({
    message_id: z.uuid(),
    conversation_id: z.uuid(),
    topic: TopicRef,
    skill: SkillText,
    timestamp: Timestamp,
    content: z.string().meta({ description: 'What the child said or chose' }),
    own_words: z.boolean().meta({ description: 'false for a choice' }),
    signs: z.array(z.string()).meta({ description: 'What was recognised in it, at least one' }),
    weight: z.number().meta({ description: "When it was given: 1 in the child's own words, 0.25 by choice" }),
    weight_now: z.number().meta({ description: 'Half after every 28 days; 0 when dismissed' }),
    points: z.number().meta({ description: 'Its part of the score, by weight: score x weight_now / the sum of all weights' }),
    score_without: z.int().min(0).max(100).meta({ description: 'The score if this alone were dismissed' }),
    in_period: z.boolean().meta({ description: 'Whether it was said in the period: what is not can only fade' }),
    dismissed_at: DismissedAt,
  })
  .meta({
    id: 'GrowthEvidence',
    example: {
      message_id: '990e8400-e29b-41d4-a716-446655440002',
      conversation_id: '880e8400-e29b-41d4-a716-446655440001',
      topic: { id: '770e8400-e29b-41d4-a716-446655440001', name: 'Space' },
      skill: 'critical_thinking',
      timestamp: '2024-12-15T10:36:00Z',
      content: 'Why do stars twinkle?',
      own_words: true,
      signs: ['asked why or how'],
      weight: 1,
      weight_now: 0.9755,
      points: 2.3496,
      score_without: 5,
      in_period: true,
      dismissed_at: null,
    },
  })
const ExplainedView = z.object({
  child: z.object({ id: z.uuid(), name: z.string() }),
  period: z.enum(PERIODS),
  cognitive_growth: z.object(perSkill(() => MovedGrowthView)),
  evidence: z.array(EvidenceView).meta({ description: 'Newest first, dismissed ones too' }),
})

/** So fine that the points of a child's most diligent year still add up to its score. */
const fine = (value: number): number => Math.round(value * 10_000) / 10_000

const toEvidenceView = (item: ExplainedEvidence): z.infer<typeof EvidenceView> => ({
  message_id: item.messageId,
  conversation_id: item.conversationId,
  topic: { id: item.topic.id, name: item.topic.name },
  skill: item.skill,
  timestamp: isoSeconds(item.at),
  content: item.content,
  own_words: item.isOwnWords,
  signs: [...item.signs],
  weight: item.weight,
  weight_now: fine(item.weightNow),
  points: fine(item.points),
  score_without: item.scoreWithout,
  in_period: item.isInPeriod,
  dismissed_at: item.dismissedAt && isoSeconds(item.dismissedAt),
})

const toExplainedView = (
  child: { readonly id: string; readonly name: string },
  period: PeriodName,
  { growth, evidence }: ExplainedGrowth,
): z.infer<typeof ExplainedView> => ({
  child: { id: child.id, name: child.name },
  period,
  cognitive_growth: perSkill((skill) => {
    const { score, change, gained, faded } = growth[skill]
    return { score, change, gained, faded }
  }),
  evidence: evidence.map(toEvidenceView),
})

/** The growth scores explained: which turns make them, and a parent's say in that. */
export function registerGrowthRoutes(app: TypedApp, growth: GrowthService): void {
  const ofOneChild = { actor: 'parent', limit: 'dashboard', childParam: 'child_id' } as const

  app.get(
    '/dashboard/children/:child_id/growth',
    {
      config: ofOneChild,
      schema: {
        tags,
        summary: "Explain a child's growth scores",
        description:
          `The scores that activity tells, and the turns that make them, newest first; restricted topics too. ${GROWTH_DESCRIPTION}\n\n` +
          'The points of all evidence of a skill add up to its score, before it is rounded. Dismissing one takes away its points at most: the less there is, the more each adds, so the others then ' +
          'count for more; `score_without` is what would remain. Evidence too old to weigh anything, and messages that are not shown to the family, are left out and count for nothing.',
        params: UuidParam('child_id'),
        querystring: GrowthQuery,
        response: { 200: Paged(ExplainedView) },
      },
    },
    async (request) => {
      const explained = await growth.explain(request.child, request.query)
      return page(request, toExplainedView(request.child, request.query.period, explained), explained.cursor)
    },
  )

  app.post(
    '/dashboard/children/:child_id/growth/:message_id/dismiss',
    {
      config: { ...ofOneChild, errors: ['NOT_FOUND'] },
      schema: {
        tags,
        summary: 'Dismiss evidence of growth, or count it again',
        description:
          'For a parent who knows that a turn shows no such thing. Dismissed evidence weighs nothing, at once and wherever growth is told; the message itself stays. `{ "dismissed": false }` takes it ' +
          'back. Doing the same again changes nothing. 404 when the message left no evidence of the skill.',
        params: DismissParams,
        body: DismissBody,
        response: { 200: Data(z.object({ message_id: z.uuid(), skill: SkillText, dismissed_at: DismissedAt })) },
      },
    },
    async (request) => {
      const { message_id } = request.params
      const { skill, dismissed } = request.body
      const dismissedAt = await growth.dismiss(request.child, message_id, skill, dismissed)
      return data(request, { message_id, skill, dismissed_at: dismissedAt && isoSeconds(dismissedAt) })
    },
  )
}
