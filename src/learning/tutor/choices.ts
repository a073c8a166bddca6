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
  /** The passage told last, if any. */
  readonly here: Passage | undefined
  /** Offered last time: kept as they are when the reply told nothing, otherwise offered again only where a direction has nothing else. */
  readonly offeredBefore?: { readonly keys: ReadonlySet<string>; readonly keep: boolean }
}

/** Whether a passage may be offered: its topic, and for a crossing the one across, are open to the child. */
const isOpen = ({ topic, across }: Passage, map: MapState): boolean => isAccessible(topic, map) && (!across || isAccessible(across, map))

/**
 * Three different ways on that have not been told. After a passage they go deeper into its topic, sideways into another
 * subtopic, and across into a connected topic, in that order; those pointed to first are taken first. Where a direction
 * has nothing left, and before any passage, the others fill in: those pointed to, the rest of the topic at hand, nearest
 * depth and deeper first, then topics further and further away on the map. Locked and restricted topics are never
 * offered. Fewer than three only when the child has been told everything there is.
 */
export function nextChoices(curriculum: Curriculum, standpoint: Standpoint): TutorChoice[] {
  const { map, told, heardBefore, here, offeredBefore } = standpoint
  const first = standpoint.first.map((key) => curriculum.passage(key)).filter((passage) => passage !== undefined)
  const chosen: Passage[] = []
  const mayTake = (passage: Passage) =>
    !told.has(passage.key) &&
    isOpen(passage, map) &&
    !chosen.some((other) => other.key === passage.key || other.ask.toLowerCase() === passage.ask.toLowerCase())
  const isNew = (passage: Passage) => !heardBefore?.has(passage.key) && mayTake(passage)
  const isFresh = (passage: Passage) => !offeredBefore?.keys.has(passage.key) && isNew(passage)
  const take = (candidates: readonly Passage[], wanted: (passage: Passage) => boolean, count: number) => {
    for (const passage of candidates) {
      if (count === 0 || chosen.length === CHOICES) return
      if (!wanted(passage)) continue
      chosen.push(passage)
      count -= 1
    }
  }

  if (here && !offeredBefore?.keep) {
    const nearby = [...first, ...nearestFirst(curriculum, here.topic, standpoint)].filter(
      (passage) => passage.topic === here.topic && passage.kind !== 'crossing',
    )
    const across = waysAcross(curriculum, here, standpoint, first)
    const directions = [nearby.filter((passage) => passage.depth > here.depth), nearby.filter((passage) => passage.subtopic !== here.subtopic), across]
    for (const [index, direction] of directions.entries()) {
      for (const isWanted of [isFresh, isNew]) take(direction, isWanted, index + 1 - chosen.length)
      if (index < directions.length - 1) take(nearby, isNew, index + 1 - chosen.length)
    }
  }
  for (const isWanted of [isNew, mayTake]) {
    take(first, isWanted, CHOICES)
    for (const topic of outwards(standpoint)) {
      if (chosen.length === CHOICES) break
      take(nearestFirst(curriculum, topic, standpoint), isWanted, CHOICES)
    }
  }
  return chosen.map(({ ask, icon, key }) => ({ text: ask, icon, passage: key }))
}

/** Ways out of the topic of the last passage: back to what the talk is about, those pointed to, its crossings, then the doorsteps of its neighbours. */
function waysAcross(curriculum: Curriculum, here: Passage, standpoint: Standpoint, first: readonly Passage[]): Passage[] {
  const { topic, ageGroup } = standpoint
  return [
    ...(here.topic === topic ? [] : nearestFirst(curriculum, topic, standpoint)),
    ...first.filter((passage) => passage.kind === 'crossing' || passage.topic !== here.topic),
    ...nearestFirst(curriculum, here.topic, standpoint).filter((passage) => passage.kind === 'crossing'),
    ...here.topic.connections.flatMap((connection) => curriculum.opening(connection.topic, ageGroup).leadsTo.flatMap((key) => curriculum.passage(key) ?? [])),
  ]
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
