import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Badge, badgeCatalogue, CURIOUS_MIND_TURNS, depthBadges } from '../../src/learning/rewards/badges.ts'
import { badgeRewards } from '../../src/learning/rewards/rewards.ts'
import { milestonesPassed, streakBadgeId } from '../../src/learning/rewards/streak.ts'
import { anySlug, curriculum, topicNamed } from '../helpers/curriculum.ts'

const catalogue = badgeCatalogue(curriculum)

/** The badges a topic depth stands for, as the design lists them. */
const deserved = (slug: string, depth: number): string[] => [
  ...[3, 6, 10].flatMap((needed, rank) => (depth >= needed ? [`${slug}_explorer_${rank + 1}`] : [])),
  ...[5, 10].flatMap((needed) => (depth >= needed ? [`deep_thinker_${needed}`] : [])),
]

describe('badges', () => {
  it.each([
    [0, 2, []],
    [2, 3, ['space_explorer_1']],
    [3, 4, []],
    [4, 5, ['deep_thinker_5']],
    [5, 6, ['space_explorer_2']],
    [6, 9, []],
    [9, 10, ['space_explorer_3', 'deep_thinker_10']],
    [10, 10, []],
  ])('from depth %i to %i in Space are %j', (before, after, expected) => {
    expect(depthBadges(topicNamed('space'), before, after)).toEqual(expected)
  })

  it('are each given exactly once, by the step that passes their threshold', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 20 })
    fc.assert(
      fc.property(anySlug, steps, (slug, rises) => {
        const topic = topicNamed(slug)
        const given: string[] = []
        let depth = 0
        for (const rise of rises) {
          const next = Math.min(10, depth + rise)
          given.push(...depthBadges(topic, depth, next))
          expect(given.toSorted()).toEqual(deserved(topic.slug, next).toSorted())
          depth = next
        }
      }),
    )
  })

  it('stand in the catalogue, whichever can be earned', () => {
    for (const topic of curriculum.topics) for (const id of depthBadges(topic, 0, 10)) expect(catalogue.get(id)?.id).toBe(id)
    for (const turns of [10, 100, 500, 1000]) expect(catalogue.get(`curious_mind_${turns}`)?.id).toBe(`curious_mind_${turns}`)
    expect([...CURIOUS_MIND_TURNS]).toEqual([10, 100, 500, 1000])
    expect(catalogue.get('space_explorer_4')).toBeUndefined()
  })

  it('are named and described as the contract shows them', () => {
    expect(catalogue.get('space_explorer_1')).toEqual({
      id: 'space_explorer_1',
      name: 'Space Explorer',
      description: 'Reached depth 3 in Space',
      icon: 'badge_space',
    })
    expect(catalogue.get('deep_thinker_5')?.name).toBe('Deep Thinker')
  })

  it('have a name, a description and an icon each, and no two the same name', () => {
    const ids = [
      ...curriculum.topics.flatMap((topic) => depthBadges(topic, 0, 10)),
      ...CURIOUS_MIND_TURNS.map((turns) => `curious_mind_${turns}`),
      ...milestonesPassed(3_000).map(streakBadgeId),
    ]
    const badges = [...new Set(ids)].map((id) => catalogue.get(id) as Badge)
    for (const badge of badges) {
      expect(badge.description).toMatch(/\S/)
      expect(badge.icon).toMatch(/^badge_[a-z]+(_[a-z]+)*$/)
    }
    expect(new Set(badges.map((badge) => badge.name)).size).toBe(badges.length)
  })

  it('that the catalogue no longer knows are left out of rewards, the others keep their order', () => {
    const rewards = badgeRewards(catalogue, ['deep_thinker_5', 'badge_of_last_year', 'space_explorer_1'])
    expect(rewards.map((reward) => reward.type === 'badge' && reward.badge.id)).toEqual(['deep_thinker_5', 'space_explorer_1'])
  })
})
