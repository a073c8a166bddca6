import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAccessible, isUnlocked, type MapState } from '../../src/learning/constellation/topic-map.ts'
import type { Topic } from '../../src/learning/curriculum/curriculum.ts'
import { anySlug, curriculum, mapOf, topicNamed } from '../helpers/curriculum.ts'

/** For ever: children's progress refers to these. */
const IDS: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...['space', 'black-holes', 'physics', 'light', 'nature', 'animals', 'oceans', 'dinosaurs', 'bugs', 'weather', 'earth', 'human-body', 'food'],
    ...['brain', 'feelings', 'friendship', 'big-questions', 'numbers', 'puzzles', 'stories', 'music', 'art', 'inventions', 'robots', 'history'],
  ].map((slug, index) => [slug, `770e8400-e29b-41d4-a716-4466554400${String(index + 1).padStart(2, '0')}`]),
)

/** What a child comes to by exploring all it may until nothing new opens. */
function explore(restricted: readonly Topic[]): { reached: Set<Topic>; rounds: number } {
  const reached = new Set<Topic>()
  let map: MapState = { progress: new Map(), restricted: new Set(restricted.map((topic) => topic.id)) }
  for (let rounds = 0; ; rounds += 1) {
    const open = curriculum.topics.filter((topic) => !reached.has(topic) && isAccessible(topic, map))
    if (open.length === 0) return { reached, rounds }
    for (const topic of open) reached.add(topic)
    map = { ...map, progress: new Map([...map.progress, ...open.map((topic) => [topic.id, { depth: 10, talked: true }] as const)]) }
  }
}

describe('the map', () => {
  it('has 25 topics whose ids never change', () => {
    expect(Object.fromEntries(curriculum.topics.map((topic) => [topic.slug, topic.id]))).toEqual(IDS)
    expect(new Set(Object.values(IDS)).size).toBe(25)
  })

  it('finds each topic by its id, and nothing by another', () => {
    for (const topic of curriculum.topics) expect(curriculum.topic(topic.id)).toBe(topic)
    expect(curriculum.topic('770e8400-e29b-41d4-a716-446655449999')).toBeUndefined()
  })

  it('has names, slugs, positions and subtopic ids that are each unique', () => {
    const count = (values: readonly unknown[]) => new Set(values).size
    expect(count(curriculum.topics.map((topic) => topic.name))).toBe(25)
    expect(count(curriculum.topics.map((topic) => topic.slug))).toBe(25)
    expect(count(curriculum.topics.map(({ position }) => `${position.x} ${position.y}`))).toBe(25)
    const ids = [...curriculum.topics.map((topic) => topic.id), ...curriculum.topics.flatMap((topic) => topic.subtopics.map((subtopic) => subtopic.id))]
    expect(count(ids)).toBe(ids.length)
  })

  it('spans at least six categories', () => {
    expect(new Set(curriculum.topics.map((topic) => topic.category)).size).toBeGreaterThanOrEqual(6)
  })

  it('places Space as the contract shows it', () => {
    const space = topicNamed('space')
    expect(space).toMatchObject({ id: IDS.space, name: 'Space', category: 'science', icon: 'rocket', color: '#4B0082', position: { x: 0, y: -100 } })
    expect(space.subtopics.map((subtopic) => subtopic.name)).toEqual(['Planets', 'Stars', 'Moon'])
    expect(space.connections.map((connection) => connection.topic.slug)).toEqual(expect.arrayContaining(['physics', 'nature']))
    expect(topicNamed('black-holes').prerequisites.map(({ topic, depth }) => [topic.slug, depth])).toEqual([['space', 5]])
  })

  it('connects every topic with every other over some way', () => {
    const reached = new Set<Topic>()
    const queue = [topicNamed('space')]
    for (let topic = queue.pop(); topic; topic = queue.pop()) {
      if (reached.has(topic)) continue
      reached.add(topic)
      queue.push(...topic.connections.map((connection) => connection.topic))
    }
    expect(reached.size).toBe(25)
  })

  it('draws each connection once, between two topics, and shows it at both', () => {
    const pairs = curriculum.connections.map(({ from, to }) => [from.slug, to.slug].toSorted().join(' '))
    expect(new Set(pairs).size).toBe(pairs.length)
    for (const { from, to, strength } of curriculum.connections) {
      expect(from).not.toBe(to)
      expect(from.connections).toContainEqual({ topic: to, strength })
      expect(to.connections).toContainEqual({ topic: from, strength })
    }
    expect(curriculum.topics.reduce((sum, topic) => sum + topic.connections.length, 0)).toBe(2 * curriculum.connections.length)
  })

  it('lists strong connections before weak ones', () => {
    for (const topic of curriculum.topics) {
      const strengths = topic.connections.map((connection) => connection.strength)
      expect(strengths, topic.slug).toEqual(strengths.toSorted())
    }
  })
})

describe('prerequisites', () => {
  it('never run in a circle', () => {
    const visit = (topic: Topic, path: readonly Topic[]): void => {
      expect(path.map((step) => step.slug)).not.toContain(topic.slug)
      for (const needed of topic.prerequisites) visit(needed.topic, [...path, topic])
    }
    for (const topic of curriculum.topics) visit(topic, [])
  })

  it('lie between depth 1 and 10, each topic once', () => {
    for (const topic of curriculum.topics) {
      for (const { depth } of topic.prerequisites) expect(Number.isInteger(depth) && depth >= 1 && depth <= 10, topic.slug).toBe(true)
      expect(new Set(topic.prerequisites.map((needed) => needed.topic)).size).toBe(topic.prerequisites.length)
    }
  })

  it('leave at least six topics open from the start, Space and Animals among them', () => {
    const open = curriculum.topics.filter((topic) => isUnlocked(topic, mapOf())).map((topic) => topic.slug)
    expect(open.length).toBeGreaterThanOrEqual(6)
    expect(open).toEqual(expect.arrayContaining(['space', 'animals']))
  })

  it('let a child who explores reach every topic', () => {
    const { reached, rounds } = explore([])
    expect(curriculum.topics.filter((topic) => !reached.has(topic)).map((topic) => topic.slug)).toEqual([])
    expect(rounds).toBeGreaterThan(1)
  })

  it('never become impossible by what a parent restricts', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anySlug, { maxLength: 24 }), (slugs) => {
        const restricted = slugs.map(topicNamed)
        const { reached } = explore(restricted)
        expect(curriculum.topics.filter((topic) => !reached.has(topic))).toEqual(curriculum.topics.filter((topic) => restricted.includes(topic)))
      }),
      { numRuns: 300 },
    )
  })
})
