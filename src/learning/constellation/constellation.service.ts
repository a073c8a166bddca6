import type { AgeGroup } from '../../family/age-groups.ts'
import type { ActiveChild } from '../../family/child-access.ts'
import { MINUTE } from '../../platform/clock.ts'
import type { Database, Statement } from '../../platform/db/database.ts'
import { AppError } from '../../platform/http/errors.ts'
import type { Category } from '../content/curriculum.schema.ts'
import type { Curriculum, Topic } from '../curriculum/curriculum.ts'
import { mapStateOf, type ProgressPairs, progressPairs } from './map-state.ts'
import { type Constellation, constellationOf, isUnlocked } from './topic-map.ts'

export interface TopicProgress {
  readonly unlocked: boolean
  readonly depth: number
  readonly timeSpentMinutes: number
  readonly lastInteraction: Date | null
}

export interface TopicDetail {
  readonly topic: Topic
  /** Undefined when a parent looks without naming a child. */
  readonly progress: TopicProgress | undefined
}

const MAP: Statement = { name: 'constellation.map', text: `SELECT ${progressPairs('$1')} AS progress` }
const TOPIC: Statement = {
  name: 'constellation.topic',
  text: `
    SELECT ${progressPairs('$1')} AS progress,
      (SELECT p.last_interaction FROM topic_progress p WHERE p.child_id = $1 AND p.topic_id = $2) AS last_interaction,
      (SELECT coalesce(sum(d.time_ms), 0)::float8 FROM topic_days d WHERE d.child_id = $1 AND d.topic_id = $2) AS time_ms`,
}

export function constellationService(db: Database, curriculum: Curriculum) {
  return {
    /** Topics in the order of the map, without those the child may not see. No query. */
    topics(child: ActiveChild | undefined, filter: { category?: Category | undefined; ageGroup?: AgeGroup | undefined }): Topic[] {
      const hasVoice = (topic: Topic) => filter.ageGroup === undefined || curriculum.passagesOf(topic, filter.ageGroup).length > 0
      const fits = (topic: Topic) => filter.category === undefined || topic.category === filter.category
      return curriculum.topics.filter((topic) => !child?.restrictedTopics.has(topic.id) && fits(topic) && hasVoice(topic))
    },

    /** One topic with the child's progress in it. Throws NOT_FOUND, FORBIDDEN when it is restricted. */
    async topic(child: ActiveChild | undefined, topicId: string): Promise<TopicDetail> {
      const topic = curriculum.topic(topicId.toLowerCase())
      if (!topic) throw new AppError('NOT_FOUND', { message: 'There is no such topic' })
      if (!child) return { topic, progress: undefined }
      if (child.restrictedTopics.has(topic.id)) throw new AppError('FORBIDDEN', { message: 'This topic is restricted' })
      const [row] = await db.query<{ progress: ProgressPairs; last_interaction: Date | null; time_ms: number }>(TOPIC, [child.id, topic.id])
      const map = mapStateOf(child, row?.progress ?? [])
      const progress = {
        unlocked: isUnlocked(topic, map),
        depth: map.progress.get(topic.id)?.depth ?? 0,
        timeSpentMinutes: Math.floor((row?.time_ms ?? 0) / MINUTE),
        lastInteraction: row?.last_interaction ?? null,
      }
      return { topic, progress }
    },

    /** The whole map of a child. */
    async constellation(child: ActiveChild): Promise<Constellation> {
      const [row] = await db.query<{ progress: ProgressPairs }>(MAP, [child.id])
      return constellationOf(curriculum, mapStateOf(child, row?.progress ?? []))
    },
  }
}
export type ConstellationService = ReturnType<typeof constellationService>
