import type { Curriculum, Topic } from '../curriculum/curriculum.ts'
import { streakBadgeDays } from './streak.ts'

export interface Badge {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly icon: string
}

/** Badges by their ids. */
export interface BadgeCatalogue {
  /** Undefined for an id that no rule gives (any more). */
  get(id: string): Badge | undefined
}

/** Topic depths that make an explorer of the first, second and third rank. */
const EXPLORER_DEPTHS = [3, 6, 10] as const
const DEEP_THINKER_DEPTHS = [5, 10] as const
export const CURIOUS_MIND_TURNS = [10, 100, 500, 1000] as const

const ROMAN = ['I', 'II', 'III', 'IV']

const STREAK_NAMES: Readonly<Record<number, string>> = {
  3: 'Three in a Row',
  7: 'Week of Wonder',
  14: 'Two Week Wonder',
  30: 'Month of Ideas',
  50: 'Fifty Days',
  100: 'Hundred Days',
  365: 'Year of Thinking',
}

function streakBadge(id: string): Badge | undefined {
  const days = streakBadgeDays(id)
  if (days === undefined) return undefined
  const name = STREAK_NAMES[days] ?? `${Math.floor(days / 365)} Years of Thinking`
  return { id, name, description: `Kept a streak of ${days} days`, icon: 'badge_streak' }
}

/** Every badge there is, by id. Those of streaks go on for ever, a year at a time. */
export function badgeCatalogue(curriculum: Curriculum): BadgeCatalogue {
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
  const known = new Map([...explorers, ...thinkers, ...minds].map((badge) => [badge.id, badge]))
  return { get: (id) => known.get(id) ?? streakBadge(id) }
}

/** The badges for a conversation that went from one depth to a larger one. Some may be owned already. */
export function depthBadges(topic: Topic, depthBefore: number, depthAfter: number): string[] {
  const passed = (depth: number) => depth > depthBefore && depth <= depthAfter
  return [
    ...EXPLORER_DEPTHS.flatMap((depth, rank) => (passed(depth) ? [`${topic.slug}_explorer_${rank + 1}`] : [])),
    ...DEEP_THINKER_DEPTHS.filter(passed).map((depth) => `deep_thinker_${depth}`),
  ]
}
