import type { Curriculum, Topic } from '../curriculum/curriculum.ts'

/** From this depth on a topic counts as explored. */
export const EXPLORED_DEPTH = 3

/** What a child has done in one topic. */
export interface TopicState {
  readonly depth: number
  /** Whether the child has had a turn in it. */
  readonly talked: boolean
}

/** What a child's map depends on. Topics without progress are absent. */
export interface MapState {
  readonly progress: ReadonlyMap<string, TopicState>
  readonly restricted: ReadonlySet<string>
}

/**
 * The prerequisite that still keeps a topic locked: the one with the fewest depths missing. A restricted prerequisite
 * counts as met, since the child cannot do anything about it; a topic once explored never locks again.
 */
export function missingPrerequisite(topic: Topic, { progress, restricted }: MapState): Topic['prerequisites'][number] | undefined {
  if ((progress.get(topic.id)?.depth ?? 0) > 0) return undefined
  const missingDepths = ({ topic: needed, depth }: Topic['prerequisites'][number]) => depth - (progress.get(needed.id)?.depth ?? 0)
  return topic.prerequisites
    .filter((prerequisite) => !restricted.has(prerequisite.topic.id) && missingDepths(prerequisite) > 0)
    .toSorted((a, b) => missingDepths(a) - missingDepths(b))[0]
}

export const isUnlocked = (topic: Topic, state: MapState): boolean => missingPrerequisite(topic, state) === undefined

/** Whether the child may go there at all: unlocked, and not taken away by the parent. */
export const isAccessible = (topic: Topic, state: MapState): boolean => !state.restricted.has(topic.id) && isUnlocked(topic, state)

/** "Explore Space to depth 5", or undefined when nothing is missing. */
export function unlockHint(topic: Topic, state: MapState): string | undefined {
  const missing = missingPrerequisite(topic, state)
  return missing && `Explore ${missing.topic.name} to depth ${missing.depth}`
}

export interface MappedTopic {
  readonly topic: Topic
  readonly status: 'locked' | 'unlocked' | 'explored'
  readonly depth: number
  readonly hint: string | undefined
}

export interface Constellation {
  readonly topics: readonly MappedTopic[]
  readonly connections: readonly { readonly from: Topic; readonly to: Topic; readonly strength: 'strong' | 'weak'; readonly discovered: boolean }[]
}

/** The map as a child sees it: restricted topics are gone; a connection is discovered once the child has talked at both ends. */
export function constellationOf(curriculum: Curriculum, state: MapState): Constellation {
  const visible = (topic: Topic) => !state.restricted.has(topic.id)
  const talked = (topic: Topic) => state.progress.get(topic.id)?.talked ?? false
  const topics = curriculum.topics.filter(visible).map((topic): MappedTopic => {
    const depth = state.progress.get(topic.id)?.depth ?? 0
    const hint = unlockHint(topic, state)
    return { topic, depth, hint, status: hint !== undefined ? 'locked' : depth >= EXPLORED_DEPTH ? 'explored' : 'unlocked' }
  })
  const connections = curriculum.connections
    .filter(({ from, to }) => visible(from) && visible(to))
    .map(({ from, to, strength }) => ({ from, to, strength, discovered: talked(from) && talked(to) }))
  return { topics, connections }
}
