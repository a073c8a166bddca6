import fc from 'fast-check'
import { AGE_GROUPS, type AgeGroup } from '../../src/family/age-groups.ts'
import type { MapState, TopicState } from '../../src/learning/constellation/topic-map.ts'
import { loadCurriculum, type Topic } from '../../src/learning/curriculum/curriculum.ts'

/** The real content, loaded once a file. */
export const curriculum = loadCurriculum()

/** Every topic in every voice. */
export const VOICES: readonly { readonly topic: Topic; readonly ageGroup: AgeGroup }[] = curriculum.topics.flatMap((topic) =>
  AGE_GROUPS.map((ageGroup) => ({ topic, ageGroup })),
)

export function topicNamed(slug: string): Topic {
  const topic = curriculum.topics.find((candidate) => candidate.slug === slug)
  if (!topic) throw new Error(`the map has no topic "${slug}"`)
  return topic
}

export interface MapOptions {
  /** Depth by slug. A topic with a depth has been talked in. */
  readonly depths?: Readonly<Record<string, number>>
  /** Slugs of topics talked in without reaching a depth. */
  readonly talked?: readonly string[]
  /** Slugs. */
  readonly restricted?: readonly string[]
}

/** A child's map, told by slugs. */
export function mapOf({ depths = {}, talked = [], restricted = [] }: MapOptions = {}): MapState {
  const progress = new Map<string, TopicState>()
  for (const slug of talked) progress.set(topicNamed(slug).id, { depth: 0, talked: true })
  for (const [slug, depth] of Object.entries(depths)) progress.set(topicNamed(slug).id, { depth, talked: true })
  return { progress, restricted: new Set(restricted.map((slug) => topicNamed(slug).id)) }
}

/** A map on which everything is open. */
export const everythingOpen: MapState = mapOf({ depths: Object.fromEntries(curriculum.topics.map((topic) => [topic.slug, 10])) })

/** The least progress that opens a topic. */
export function mapThatOpens(topic: Topic): MapState {
  return mapOf({ depths: Object.fromEntries(topic.prerequisites.map((needed) => [needed.topic.slug, needed.depth])) })
}

/** By slug and id, not by topic: a counterexample must be printable, and topics refer to one another in circles. */
export const anySlug = fc.constantFrom(...curriculum.topics.map((topic) => topic.slug))
const anyTopicId = fc.constantFrom(...curriculum.topics.map((topic) => topic.id))
export const anyAgeGroup = fc.constantFrom(...AGE_GROUPS)

/** Any progress and any restrictions at all. */
export const anyMap: fc.Arbitrary<MapState> = fc
  .record({
    progress: fc.array(fc.record({ topicId: anyTopicId, depth: fc.integer({ min: 0, max: 10 }), talked: fc.boolean() }), { maxLength: 25 }),
    restricted: fc.uniqueArray(anyTopicId, { maxLength: 24 }),
  })
  .map(({ progress, restricted }) => ({
    progress: new Map(progress.map(({ topicId, depth, talked }) => [topicId, { depth, talked: talked || depth > 0 }])),
    restricted: new Set(restricted),
  }))
