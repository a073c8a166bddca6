import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { constellationOf, isAccessible, isUnlocked, type MapState, missingPrerequisite, unlockHint } from '../../src/learning/constellation/topic-map.ts'
import { anyMap, anySlug, curriculum, type MapOptions, mapOf, topicNamed } from '../helpers/curriculum.ts'

const hint = (slug: string, options: MapOptions = {}) => unlockHint(topicNamed(slug), mapOf(options))
const depthIn = (map: MapState, id: string) => map.progress.get(id)?.depth ?? 0

describe('unlocking', () => {
  it('keeps a topic locked until its prerequisite has the depth, and says which', () => {
    expect(hint('black-holes')).toBe('Explore Space to depth 5')
    expect(hint('black-holes', { depths: { space: 4 } })).toBe('Explore Space to depth 5')
    expect(hint('black-holes', { depths: { space: 5 } })).toBeUndefined()
    expect(hint('black-holes', { depths: { space: 10 } })).toBeUndefined()
    expect(hint('black-holes', { depths: { physics: 10 } })).toBe('Explore Space to depth 5')
  })

  it('asks for every prerequisite, and hints at the nearest one missing', () => {
    expect(hint('robots')).toBe('Explore Puzzles and Logic to depth 2')
    expect(hint('robots', { depths: { inventions: 2 } })).toBe('Explore Inventions to depth 3')
    expect(hint('robots', { depths: { inventions: 3 } })).toBe('Explore Puzzles and Logic to depth 2')
    expect(hint('robots', { depths: { puzzles: 2 } })).toBe('Explore Inventions to depth 3')
    expect(hint('robots', { depths: { inventions: 3, puzzles: 2 } })).toBeUndefined()
  })

  it('counts a restricted prerequisite as met', () => {
    expect(hint('black-holes', { restricted: ['space'] })).toBeUndefined()
    expect(hint('robots', { restricted: ['inventions'] })).toBe('Explore Puzzles and Logic to depth 2')
    expect(hint('robots', { restricted: ['inventions', 'puzzles'] })).toBeUndefined()
  })

  it('never locks a topic again that was once explored', () => {
    expect(hint('black-holes', { depths: { 'black-holes': 1 } })).toBeUndefined()
    expect(hint('robots', { depths: { robots: 3, inventions: 1 } })).toBeUndefined()
  })

  it('opens topics without prerequisites from the start', () => {
    for (const topic of curriculum.topics) expect(isUnlocked(topic, mapOf()), topic.slug).toBe(topic.prerequisites.length === 0)
  })

  it('denies a restricted topic however well it is known', () => {
    expect(isAccessible(topicNamed('space'), mapOf({ depths: { space: 10 }, restricted: ['space'] }))).toBe(false)
    expect(isAccessible(topicNamed('space'), mapOf({ restricted: ['physics'] }))).toBe(true)
    expect(isAccessible(topicNamed('black-holes'), mapOf())).toBe(false)
  })

  it('names the prerequisite with the fewest depths missing, on any map', () => {
    fc.assert(
      fc.property(anySlug, anyMap, (slug, map) => {
        const topic = topicNamed(slug)
        const missing = topic.prerequisites
          .filter((needed) => !map.restricted.has(needed.topic.id) && depthIn(map, needed.topic.id) < needed.depth)
          .map((needed) => needed.depth - depthIn(map, needed.topic.id))
        const named = missingPrerequisite(topic, map)
        const expected = depthIn(map, topic.id) > 0 || missing.length === 0 ? undefined : Math.min(...missing)
        expect(named && named.depth - depthIn(map, named.topic.id)).toBe(expected)
      }),
    )
  })

  it('is never undone by learning more', () => {
    fc.assert(
      fc.property(anyMap, anySlug, fc.integer({ min: 1, max: 10 }), (map, slug, depth) => {
        const learned = topicNamed(slug)
        const later = { ...map, progress: new Map(map.progress).set(learned.id, { depth: Math.max(depth, depthIn(map, learned.id)), talked: true }) }
        for (const topic of curriculum.topics) if (isUnlocked(topic, map)) expect(isUnlocked(topic, later)).toBe(true)
      }),
    )
  })

  it('is never undone by a restriction of something else', () => {
    fc.assert(
      fc.property(anyMap, anySlug, (map, slug) => {
        const taken = topicNamed(slug)
        const later = { ...map, restricted: new Set([...map.restricted, taken.id]) }
        for (const topic of curriculum.topics) if (topic !== taken && isAccessible(topic, map)) expect(isAccessible(topic, later)).toBe(true)
      }),
    )
  })
})

describe('the constellation', () => {
  const statusOf = (slug: string, options: MapOptions) =>
    constellationOf(curriculum, mapOf(options)).topics.find((mapped) => mapped.topic.slug === slug)?.status

  it('shows a topic as explored from depth 3', () => {
    expect(statusOf('space', {})).toBe('unlocked')
    expect(statusOf('space', { depths: { space: 2 } })).toBe('unlocked')
    expect(statusOf('space', { depths: { space: 3 } })).toBe('explored')
    expect(statusOf('black-holes', { depths: { space: 3 } })).toBe('locked')
    expect(statusOf('black-holes', { depths: { 'black-holes': 3 } })).toBe('explored')
  })

  it('gives a hint to the locked topics and to no other', () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const mapped of constellationOf(curriculum, map).topics) {
          expect(mapped.status === 'locked').toBe(mapped.hint !== undefined)
          if (mapped.hint !== undefined) expect(mapped.hint).toMatch(/^Explore .+ to depth ([1-9]|10)$/)
        }
      }),
    )
  })

  it('drops restricted topics together with their connections, and nothing else', () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        const { topics, connections } = constellationOf(curriculum, map)
        expect(topics.map((mapped) => mapped.topic)).toEqual(curriculum.topics.filter((topic) => !map.restricted.has(topic.id)))
        const remaining = curriculum.connections.filter(({ from, to }) => !map.restricted.has(from.id) && !map.restricted.has(to.id))
        expect(connections.map(({ from, to, strength }) => ({ from, to, strength }))).toEqual(remaining)
      }),
    )
  })

  it('never hints at a topic the child may not see', () => {
    fc.assert(
      fc.property(anyMap, (map) => {
        for (const { topic, hint: told } of constellationOf(curriculum, map).topics) {
          const missing = missingPrerequisite(topic, map)
          if (told !== undefined) expect(missing && map.restricted.has(missing.topic.id)).toBe(false)
        }
      }),
    )
  })

  it('discovers a connection once the child has talked at both ends', () => {
    const between = (options: MapOptions) => {
      const { connections } = constellationOf(curriculum, mapOf(options))
      return connections.find(({ from, to }) => from.slug === 'space' && to.slug === 'physics')?.discovered
    }
    expect(between({})).toBe(false)
    expect(between({ talked: ['space'] })).toBe(false)
    expect(between({ talked: ['physics'] })).toBe(false)
    expect(between({ talked: ['space', 'physics'] })).toBe(true)
    expect(between({ talked: ['space'], depths: { physics: 2 } })).toBe(true)
  })

  it('does not discover a connection by depth without a word spoken', () => {
    const { id } = topicNamed('space')
    const map = { restricted: new Set<string>(), progress: new Map([...mapOf({ talked: ['physics'] }).progress, [id, { depth: 0, talked: false }]]) }
    expect(constellationOf(curriculum, map).connections.some((connection) => connection.discovered)).toBe(false)
  })
})
