import { z } from 'zod'

export { AGE_GROUPS, type AgeGroup } from '../../family/age-groups.ts'

export const CATEGORIES = ['science', 'nature', 'body', 'mind', 'logic', 'arts', 'technology', 'world'] as const
export const Category = z.enum(CATEGORIES)
export type Category = z.infer<typeof Category>

export const MAX_DEPTH = 10

const Slug = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/)
const Icon = z.string().regex(/^[a-z]+(_[a-z]+)*$/)
const Line = z.string().trim().min(1)

const Prerequisite = z.strictObject({ topic: Slug, depth: z.int().min(1).max(MAX_DEPTH) })
const Subtopic = z.strictObject({ id: z.uuid(), slug: Slug, name: Line, icon: Icon })

/** What map.yaml says of one topic. */
export const MapTopic = z.strictObject({
  id: z.uuid(),
  slug: Slug,
  name: Line,
  description: Line,
  category: Category,
  icon: Icon,
  color: z.string().regex(/^#[0-9A-F]{6}$/),
  position: z.strictObject({ x: z.number(), y: z.number() }),
  prerequisites: z.array(Prerequisite),
  interests: z.array(Line).min(1),
  subtopics: z.array(Subtopic).min(3),
})
export type MapTopic = z.infer<typeof MapTopic>

export const TopicMap = z.strictObject({
  topics: z.array(MapTopic),
  connections: z.array(z.strictObject({ between: z.tuple([Slug, Slug]), strength: z.enum(['strong', 'weak']) })),
})
export type TopicMap = z.infer<typeof TopicMap>

/**
 * One thing the tutor can say. A `path` passage is a step of the walk through a topic, an `answer` passage replies to a
 * question children really ask; both can be reached by choice and by a typed question.
 */
export const PassageSource = z.strictObject({
  /** Unique within the topic and age group. */
  id: Slug,
  kind: z.enum(['path', 'answer']),
  /** How far into the topic the idea lies: 1 is the doorstep, 10 the deepest. */
  depth: z.int().min(1).max(MAX_DEPTH),
  subtopic: Slug,
  /** The words of the choice that leads here, as a child would say them; clear without any context. */
  ask: Line.max(60),
  icon: Icon,
  /** Completes "Today we explored ...", without a full stop. */
  about: Line.max(60),
  text: Line.max(900),
  /** Other ways children put the question, for retrieval. */
  questions: z.array(Line).default([]),
  keywords: z.array(Line).min(2),
  /** Ids of the passages the choices lead to, best first: same topic and age group, or "topic/id" for another topic. */
  leads_to: z.array(z.string().regex(/^([a-z0-9-]+\/)?[a-z0-9-]+$/)).min(3),
})
export type PassageSource = z.infer<typeof PassageSource>

export const SPARK_TYPES = ['what_if', 'why', 'how_would_you', 'would_you_rather', 'imagine', 'compare'] as const

/** One question of a day, in the voice of an age group. */
export const SparkSource = z.strictObject({
  id: Slug,
  type: z.enum(SPARK_TYPES),
  topic: Slug,
  icon: Icon,
  question: Line.max(160),
  hints: z.tuple([Line.max(110), Line.max(110)]),
  /** Said after the child's own answer, whatever it was. */
  reply: Line.max(420),
  /** "topic/id" of the passages the choices lead to, in the same age group. */
  leads_to: z.array(z.string().regex(/^[a-z0-9-]+\/[a-z0-9-]+$/)).length(3),
})
export type SparkSource = z.infer<typeof SparkSource>
export const SparkFile = z.strictObject({ wonder_cubs: z.array(SparkSource), curious_explorers: z.array(SparkSource), mind_masters: z.array(SparkSource) })
export type SparkFile = z.infer<typeof SparkFile>

/** How a conversation begins. `{name}` is the child's first name. */
export const OpeningSource = z.strictObject({
  first: Line.max(400),
  again: Line.max(400),
  leads_to: z.array(Slug).length(3),
})

const Voice = z.strictObject({ opening: OpeningSource, passages: z.array(PassageSource).min(1) })

/** A topic file: the three voices of one topic. */
export const TopicFile = z.strictObject({
  topic: Slug,
  voices: z.strictObject({ wonder_cubs: Voice, curious_explorers: Voice, mind_masters: Voice }),
})
export type TopicFile = z.infer<typeof TopicFile>
