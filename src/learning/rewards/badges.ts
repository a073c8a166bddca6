import type { Curriculum, Topic } from '../curriculum/curriculum.ts'

export interface Badge {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly icon: string
}

/** Topic depths that make an explorer of the first, second and third rank. */
const EXPLORER_DEPTHS = [3, 6, 10] as const
const DEEP_THINKER_DEPTHS = [5, 10] as const
export const CURIOUS_MIND_TURNS = [10, 100, 500, 1000] as const

const ROMAN = ['I', 'II', 'III', 'IV']

/** Every badge that turns can earn, by id. */
export function badgeCatalogue(curriculum: Curriculum): ReadonlyMap<string, Badge> {
  const explorers = curriculum.topics.flatMap((topic) =>
    EXPLORER_DEPTHS.map((depth, rank) => ({
      id: `${topic.slug}_explorer_${rank + 1}`,
      name: rank === 0 ? `${topic.name} Explorer` : `${topic.name} Explorer ${ROMAN[rank]}`,
      description: `Reached depth ${depth} in ${topic.name}`,
      icon: `badge_${topic.slug.replaceAll('-', '_')}`,
    })),
  )
  const thinkers = DEEP_THINKER_DEPTHS.map((depth, rank) => ({
    id: `deep_thinker_${depth}`,
    name: rank === 0 ? 'Deep Thinker' : `Deep Thinker ${ROMAN[rank]}`,
    description: `Reached depth ${depth} in a topic`,
    icon: 'badge_deep_thinker',
  }))
  const minds = CURIOUS_MIND_TURNS.map((turns, rank) => ({
    id: `curious_mind_${turns}`,
    name: rank === 0 ? 'Curious Mind' : `Curious Mind ${ROMAN[rank]}`,
    description: `Asked and chose ${turns} times`,
    icon: 'badge_curious_mind',
  }))
  return new Map([...explorers, ...thinkers, ...minds].map((badge) => [badge.id, badge]))
}

/** The badges for a conversation that went from one depth to a larger one. Some may be owned already. */
export function depthBadges(topic: Topic, depthBefore: number, depthAfter: number): string[] {
  const passed = (depth: number) => depth > depthBefore && depth <= depthAfter
  return [
    ...EXPLORER_DEPTHS.flatMap((depth, rank) => (passed(depth) ? [`${topic.slug}_explorer_${rank + 1}`] : [])),
    ...DEEP_THINKER_DEPTHS.filter(passed).map((depth) => `deep_thinker_${depth}`),
  ]
}
