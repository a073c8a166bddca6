import type { ActiveChild } from '../../family/child-access.ts'
import type { MapState } from './topic-map.ts'

/** A SQL expression: what the child has done in each topic, as `[topic id, depth, talked]`. `child` is a parameter or column. */
export const progressPairs = (child: string): string =>
  `(SELECT coalesce(json_agg(json_build_array(p.topic_id, p.depth, p.talked_at IS NOT NULL)), '[]') FROM topic_progress p WHERE p.child_id = ${child})`

export type ProgressPairs = readonly (readonly [topicId: string, depth: number, talked: boolean])[]

export function mapStateOf(child: Pick<ActiveChild, 'restrictedTopics'>, pairs: ProgressPairs): MapState {
  return { restricted: child.restrictedTopics, progress: new Map(pairs.map(([topicId, depth, talked]) => [topicId, { depth, talked }])) }
}
