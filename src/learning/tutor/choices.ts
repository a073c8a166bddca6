import type { AgeGroup } from '../../family/age-groups.ts'
import { isAccessible, type MapState } from '../constellation/topic-map.ts'
import type { Curriculum, Passage, Topic } from '../curriculum/curriculum.ts'
import type { TutorChoice } from './tutor-model.ts'

export const CHOICES = 3

/** Where the next choices are looked for. */
export interface Standpoint {
  readonly topic: Topic
  readonly ageGroup: AgeGroup
  readonly map: MapState
  /** Never offered. */
  readonly told: ReadonlySet<string>
  /** Offered only when nothing else is left: heard in an earlier conversation. */
  readonly heardBefore?: ReadonlySet<string>
  /** Passages the author or the last reply points to, best first. */
  readonly first: readonly string[]
  /** The passage just told, if any. */
  readonly here: Passage | undefined
}

/**
 * Three different ways on that have not been told: those pointed to first, then the rest of the topic at hand, nearest
 * depth and deeper first, then topics further and further away on the map. Locked and restricted topics are never
 * offered. Fewer than three only when the child has been told everything there is.
 */
export function nextChoices(curriculum: Curriculum, standpoint: Standpoint): TutorChoice[] {
  const { map, told, heardBefore } = standpoint
  const chosen: Passage[] = []
  const take = (passage: Passage | undefined) => {
    if (!passage || chosen.length === CHOICES || told.has(passage.key) || !isAccessible(passage.topic, map)) return
    if (chosen.some((other) => other.key === passage.key || other.ask.toLowerCase() === passage.ask.toLowerCase())) return
    chosen.push(passage)
  }
  const takeAll = (wanted: (passage: Passage) => boolean) => {
    for (const key of standpoint.first) {
      const passage = curriculum.passage(key)
      if (passage && wanted(passage)) take(passage)
    }
    for (const topic of outwards(standpoint)) {
      if (chosen.length === CHOICES) return
      for (const passage of nearestFirst(curriculum, topic, standpoint)) if (wanted(passage)) take(passage)
    }
  }
  takeAll((passage) => !heardBefore?.has(passage.key))
  if (chosen.length < CHOICES) takeAll(() => true)
  return chosen.map(({ ask, icon, key }) => ({ text: ask, icon, passage: key }))
}

/** The topic just spoken of, the conversation's topic, then its neighbours in widening rings. */
function* outwards({ topic, here }: Standpoint): Generator<Topic> {
  const seen = new Set<Topic>()
  const queue = here && here.topic !== topic ? [here.topic, topic] : [topic]
  for (let next = queue.shift(); next; next = queue.shift()) {
    if (seen.has(next)) continue
    seen.add(next)
    yield next
    queue.push(...next.connections.map((connection) => connection.topic))
  }
}

function nearestFirst(curriculum: Curriculum, topic: Topic, { ageGroup, here }: Standpoint): Passage[] {
  const depth = here?.topic === topic ? here.depth : 1
  const distance = (passage: Passage) =>
    (passage.depth >= depth ? passage.depth - depth : (depth - passage.depth) * 2) + (passage.subtopic === here?.subtopic ? 0 : 0.5)
  return curriculum.passagesOf(topic, ageGroup).toSorted((a, b) => distance(a) - distance(b))
}
