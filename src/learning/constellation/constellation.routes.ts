import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { AGE_GROUPS } from '../../family/age-groups.ts'
import type { ActiveChild } from '../../family/child-access.ts'
import { isoSeconds } from '../../platform/clock.ts'
import { Data, data, List, list, Timestamp, UuidParam } from '../../platform/http/envelope.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import { Category } from '../content/curriculum.schema.ts'
import type { Topic } from '../curriculum/curriculum.ts'
import type { ConstellationService, TopicDetail } from './constellation.service.ts'
import type { Constellation } from './topic-map.ts'

const tags = ['Topics']
const Position = z.object({ x: z.number(), y: z.number() })
const Strength = z.enum(['strong', 'weak'])

const TopicCommon = {
  id: z.uuid(),
  name: z.string(),
  slug: z.string(),
  description: z.string(),
  category: Category,
  icon: z.string(),
  color: z.string(),
  position: Position,
  age_groups: z.array(z.enum(AGE_GROUPS)),
}
const SPACE = {
  id: '770e8400-e29b-41d4-a716-446655440001',
  name: 'Space',
  slug: 'space',
  description: 'Explore the wonders of the universe!',
  category: 'science',
  icon: 'rocket',
  color: '#4B0082',
  position: { x: 0, y: -100 },
  age_groups: [...AGE_GROUPS],
}
const TopicView = z
  .object({ ...TopicCommon, connections: z.array(z.string()).meta({ description: 'Slugs of the topics it touches' }) })
  .meta({ id: 'Topic', example: { ...SPACE, connections: ['physics', 'nature'] } })
const TopicDetailView = z
  .object({
    ...TopicCommon,
    subtopics: z.array(z.object({ id: z.uuid(), name: z.string(), slug: z.string(), icon: z.string() })),
    connections: z.array(z.object({ topic_id: z.uuid(), name: z.string(), strength: Strength })),
    prerequisites: z.array(z.object({ topic_id: z.uuid(), name: z.string(), depth: z.int() })),
    child_progress: z
      .object({ unlocked: z.boolean(), depth_level: z.int(), time_spent_minutes: z.int(), last_interaction: Timestamp.nullable() })
      .nullable()
      .meta({ description: 'null when a parent names no child' }),
  })
  .meta({
    id: 'TopicDetail',
    example: {
      ...SPACE,
      subtopics: [{ id: '771e8400-e29b-41d4-a716-446655440101', name: 'Planets', slug: 'planets', icon: 'planet' }],
      connections: [{ topic_id: '770e8400-e29b-41d4-a716-446655440003', name: 'Physics', strength: 'strong' }],
      prerequisites: [],
      child_progress: { unlocked: true, depth_level: 3, time_spent_minutes: 45, last_interaction: '2024-12-14T15:30:00Z' },
    },
  })
const ConstellationView = z
  .object({
    topics: z.array(
      z.object({
        id: z.uuid(),
        name: z.string(),
        slug: z.string(),
        icon: z.string(),
        color: z.string(),
        position: Position,
        status: z.enum(['locked', 'unlocked', 'explored']).meta({ description: 'explored from depth 3 on' }),
        depth_level: z.int(),
        unlock_hint: z.string().optional().meta({ description: 'Only on locked topics' }),
      }),
    ),
    connections: z.array(
      z.object({ from: z.uuid(), to: z.uuid(), strength: Strength, discovered: z.boolean().meta({ description: 'The child has talked in both topics' }) }),
    ),
    stats: z.object({ total_topics: z.int(), unlocked: z.int().meta({ description: 'Explored ones included' }), explored: z.int() }),
  })
  .meta({
    id: 'Constellation',
    example: {
      topics: [
        { id: SPACE.id, name: 'Space', slug: 'space', icon: 'rocket', color: '#4B0082', position: { x: 0, y: -100 }, status: 'explored', depth_level: 3 },
        {
          id: '770e8400-e29b-41d4-a716-446655440002',
          name: 'Black Holes',
          slug: 'black-holes',
          icon: 'black_hole',
          color: '#1B1035',
          position: { x: 50, y: -150 },
          status: 'locked',
          depth_level: 0,
          unlock_hint: 'Explore Space to depth 5',
        },
      ],
      connections: [{ from: SPACE.id, to: '770e8400-e29b-41d4-a716-446655440002', strength: 'strong', discovered: false }],
      stats: { total_topics: 25, unlocked: 10, explored: 1 },
    },
  })

const TopicsQuery = z.strictObject({
  category: Category.optional(),
  age_group: z.enum(AGE_GROUPS).optional().meta({ description: 'Set from the child where there is one; every topic speaks to all three' }),
})

const toCommon = ({ id, name, slug, description, category, icon, color, position }: Topic) => ({
  ...{ id, name, slug, description, category, icon, color, position },
  age_groups: [...AGE_GROUPS],
})

const NOTHING: ReadonlySet<string> = new Set()

const toTopicView = (topic: Topic, restricted: ReadonlySet<string>): z.infer<typeof TopicView> => ({
  ...toCommon(topic),
  connections: topic.connections.filter((connection) => !restricted.has(connection.topic.id)).map((connection) => connection.topic.slug),
})

const toTopicDetailView = ({ topic, progress }: TopicDetail, restricted: ReadonlySet<string>): z.infer<typeof TopicDetailView> => ({
  ...toCommon(topic),
  subtopics: topic.subtopics.map(({ id, name, slug, icon }) => ({ id, name, slug, icon })),
  connections: topic.connections
    .filter(({ topic: other }) => !restricted.has(other.id))
    .map(({ topic: other, strength }) => ({ topic_id: other.id, name: other.name, strength })),
  prerequisites: topic.prerequisites
    .filter(({ topic: needed }) => !restricted.has(needed.id))
    .map(({ topic: needed, depth }) => ({ topic_id: needed.id, name: needed.name, depth })),
  child_progress: progress
    ? {
        unlocked: progress.unlocked,
        depth_level: progress.depth,
        time_spent_minutes: progress.timeSpentMinutes,
        last_interaction: progress.lastInteraction && isoSeconds(progress.lastInteraction),
      }
    : null,
})

const toConstellationView = ({ topics, connections }: Constellation): z.infer<typeof ConstellationView> => ({
  topics: topics.map(({ topic, status, depth, hint }) => ({
    ...{ id: topic.id, name: topic.name, slug: topic.slug, icon: topic.icon, color: topic.color, position: topic.position },
    ...{ status, depth_level: depth },
    ...(hint !== undefined && { unlock_hint: hint }),
  })),
  connections: connections.map(({ from, to, strength, discovered }) => ({ from: from.id, to: to.id, strength, discovered })),
  stats: {
    total_topics: topics.length,
    unlocked: topics.filter((mapped) => mapped.status !== 'locked').length,
    explored: topics.filter((mapped) => mapped.status === 'explored').length,
  },
})

/** Section 3.3 of the learning contract. */
export function registerConstellationRoutes(app: TypedApp, constellation: ConstellationService): void {
  const unrestricted = new Map<Topic, z.infer<typeof TopicView>>()
  /** The same for everybody from whom nothing is kept. */
  const viewFor = (restricted: ReadonlySet<string>) => (topic: Topic) => {
    if (restricted.size > 0) return toTopicView(topic, restricted)
    const view = unrestricted.get(topic) ?? toTopicView(topic, NOTHING)
    unrestricted.set(topic, view)
    return view
  }
  const restrictedFor = (request: FastifyRequest) => (request.child as ActiveChild | null)?.restrictedTopics ?? NOTHING

  app.get(
    '/topics',
    {
      config: { actor: 'child', limit: 'general', childOptional: true },
      schema: {
        tags,
        summary: 'List the topics',
        description: 'A child does not see restricted topics; a parent who names no child sees the whole map.',
        querystring: TopicsQuery,
        response: { 200: List(TopicView) },
      },
    },
    async (request) =>
      list(
        request,
        constellation
          .topics(request.child ?? undefined, { category: request.query.category, ageGroup: request.query.age_group })
          .map(viewFor(restrictedFor(request))),
      ),
  )

  app.get(
    '/topics/:topic_id',
    {
      config: { actor: 'child', limit: 'general', childOptional: true, errors: ['NOT_FOUND', 'FORBIDDEN'] },
      schema: { tags, summary: "Get a topic with the child's progress", params: UuidParam('topic_id'), response: { 200: Data(TopicDetailView) } },
    },
    async (request) => data(request, toTopicDetailView(await constellation.topic(request.child ?? undefined, request.params.topic_id), restrictedFor(request))),
  )

  app.get(
    '/constellation',
    {
      config: { actor: 'child', limit: 'general' },
      schema: {
        tags,
        summary: 'Get the constellation of a child',
        description: 'A topic without prerequisites is open from the start.',
        response: { 200: Data(ConstellationView) },
      },
    },
    async (request) => data(request, toConstellationView(await constellation.constellation(request.child))),
  )
}
