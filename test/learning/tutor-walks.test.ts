import { describe, expect, it } from 'vitest'
import { isAccessible, type MapState } from '../../src/learning/constellation/topic-map.ts'
import type { Passage, Topic } from '../../src/learning/curriculum/curriculum.ts'
import type { TutorChoice } from '../../src/learning/tutor/tutor-model.ts'
import { curriculum, everythingOpen, mapThatOpens, topicNamed, VOICES } from '../helpers/curriculum.ts'
import { listenTo, seededRandom, turnIn, tutor, walk } from '../helpers/tutor-talk.ts'

const TURNS = 25
const CROSSINGS = VOICES.flatMap(({ topic, ageGroup }) => curriculum.passagesOf(topic, ageGroup).filter((passage) => passage.kind === 'crossing'))
const topicOf = (choice: TutorChoice): Topic | undefined => curriculum.passage(choice.passage)?.topic

/** Three ways on, all different, none told, none locked or restricted. */
function expectThreeWaysOn(choices: readonly TutorChoice[], told: readonly string[], map: MapState): void {
  expect(choices).toHaveLength(3)
  expect(new Set(choices.map((choice) => choice.passage)).size).toBe(3)
  expect(new Set(choices.map((choice) => choice.text.toLowerCase())).size).toBe(3)
  for (const choice of choices) {
    expect(choice.icon).toMatch(/^[a-z]+(_[a-z]+)*$/)
    expect(told).not.toContain(choice.passage)
    const topic = topicOf(choice)
    expect(topic && isAccessible(topic, map), choice.passage).toBe(true)
  }
}

/** The least map that opens the topic, with one or two others restricted. */
function someMap(topic: Topic, random: () => number): MapState {
  const others = curriculum.topics.filter((other) => other !== topic)
  const restricted = new Set([1, 2].map(() => others[Math.floor(random() * others.length)]?.id ?? ''))
  return { ...mapThatOpens(topic), restricted }
}

describe('a walk with the tutor', () => {
  it.each(VOICES.map((voice, seed) => ({ ...voice, seed, name: `${voice.topic.slug}/${voice.ageGroup}` })))(
    'by choices through $name offers three new ways on for 25 turns',
    async ({ topic, ageGroup, seed }) => {
      const random = seededRandom(seed)
      const map = someMap(topic, random)
      expectThreeWaysOn(tutor.greet({ topic, ageGroup, childName: 'Emma', map, heardBefore: new Set() }).choices, [], map)
      const say = (offered: readonly TutorChoice[]) => ({ choice: offered[Math.floor(random() * offered.length)] as TutorChoice })
      const told = await walk({ topic, ageGroup, map, turns: TURNS, say }, (reply, { told: before, said }) => {
        const { passage } = reply.signals
        expect(passage?.key).toBe('choice' in said && said.choice.passage)
        expect(reply.signals.onTopic).toBe(true)
        expect(before).not.toContain(passage?.key)
        expectThreeWaysOn(reply.choices, [...before, passage?.key ?? ''], map)
      })
      expect(new Set(told).size).toBe(TURNS)
    },
  )

  it.each(VOICES.map((voice, seed) => ({ ...voice, seed: seed + 1_000, name: `${voice.topic.slug}/${voice.ageGroup}` })))(
    'with questions in between, through $name, repeats nothing and tells nothing restricted',
    async ({ topic, ageGroup, seed }) => {
      const random = seededRandom(seed)
      const map = someMap(topic, random)
      const pool = curriculum.topics.flatMap((other) => curriculum.passagesOf(other, ageGroup)).flatMap((passage) => passage.questions)
      const nonsense = ['???', 'flurbo zwinkle gratch', 'why']
      const say = (offered: readonly TutorChoice[], turnNumber: number) => {
        if (turnNumber % 3 === 0) return { choice: offered[Math.floor(random() * offered.length)] as TutorChoice }
        const questions = turnNumber % 5 === 0 ? nonsense : pool
        return { question: questions[Math.floor(random() * questions.length)] as string }
      }
      const told = await walk({ topic, ageGroup, map, turns: TURNS, say }, (reply, { told: before }) => {
        const { passage } = reply.signals
        expect(before).not.toContain(passage?.key)
        if (passage) expect(map.restricted.has(passage.topic.id)).toBe(false)
        expectThreeWaysOn(reply.choices, passage ? [...before, passage.key] : before, map)
      })
      expect(new Set(told).size).toBe(told.length)
    },
  )

  it.each(VOICES.map((voice) => ({ ...voice, name: `${voice.topic.slug}/${voice.ageGroup}` })))(
    'crosses into a connected topic when $name is used up',
    async ({ topic, ageGroup }) => {
      const [last, ...others] = curriculum.passagesOf(topic, ageGroup).toReversed()
      const choice = { text: last?.ask ?? '', icon: last?.icon ?? '', passage: last?.key ?? '' }
      const reply = await listenTo(tutor, turnIn(topic, ageGroup, { choice }, { told: others.map((passage) => passage.key) }))
      expectThreeWaysOn(reply.choices, [...others.map((passage) => passage.key), choice.passage], everythingOpen)
      const neighbours = topic.connections.map((connection) => connection.topic)
      for (const next of reply.choices) expect(neighbours).toContain(topicOf(next))
    },
  )

  it('goes deeper, sideways into another subtopic, and across into another topic', async () => {
    for (const { topic, ageGroup } of VOICES) {
      const say = (offered: readonly TutorChoice[], turn: number) => ({ choice: offered[turn % 2] as TutorChoice })
      await walk({ topic, ageGroup, map: everythingOpen, turns: 8, say }, (reply, { told }) => {
        const here = reply.signals.passage as Passage
        const [deeper, sideways, across] = reply.choices.map((choice) => curriculum.passage(choice.passage)) as [Passage, Passage, Passage]
        const left = curriculum.passagesOf(topic, ageGroup).filter((passage) => passage !== here && passage.kind !== 'crossing' && !told.includes(passage.key))
        expect([deeper.topic, sideways.topic], here.key).toEqual([topic, topic])
        if (left.some((passage) => passage.depth > here.depth)) expect(deeper.depth, `${here.key} to ${deeper.key}`).toBeGreaterThan(here.depth)
        if (left.some((passage) => passage !== deeper && passage.subtopic !== here.subtopic))
          expect(sideways.subtopic, `${here.key} to ${sideways.key}`).not.toBe(here.subtopic)
        const isNeighbour = topic.connections.some((connection) => connection.topic === across.topic)
        expect(across.across !== undefined || isNeighbour, `${here.key} to ${across.key}`).toBe(true)
      })
    }
  })

  it('does not offer again what was just passed over, while a direction has something else', async () => {
    const topic = topicNamed('space')
    const say = (offered: readonly TutorChoice[]) => ({ choice: offered[0] as TutorChoice })
    let before: readonly (string | undefined)[] = []
    await walk({ topic, ageGroup: 'curious_explorers', map: everythingOpen, turns: 6, say }, (reply) => {
      const offered = reply.choices.map((choice) => choice.passage)
      expect(offered.filter((key) => before.includes(key))).toEqual([])
      before = offered
    })
  })

  it.each(CROSSINGS.map((passage) => ({ passage, name: passage.key })))('is offered $name only while both topics are open', async ({ passage }) => {
    const { topic, ageGroup, across } = passage as Passage & { across: Topic }
    const told = curriculum
      .passagesOf(topic, ageGroup)
      .filter((other) => other !== passage && other.kind !== 'path')
      .map((other) => other.key)
    const [last] = curriculum.passagesOf(topic, ageGroup)
    const tap = { choice: { text: last?.ask ?? '', icon: last?.icon ?? '', passage: last?.key ?? '' } }
    const offered = async (map: MapState) => (await listenTo(tutor, turnIn(topic, ageGroup, tap, { told, map }))).choices.map((choice) => choice.passage)
    expect(await offered(everythingOpen)).toContain(passage.key)
    expect(await offered({ ...everythingOpen, restricted: new Set([across.id]) })).not.toContain(passage.key)
    if (!isAccessible(across, mapThatOpens(topic))) expect(await offered(mapThatOpens(topic))).not.toContain(passage.key)
  })

  it('offers fewer than three ways on only when a parent has left nothing else to tell', async () => {
    for (const { topic, ageGroup } of VOICES.filter((voice) => voice.topic.prerequisites.length === 0)) {
      const map: MapState = { progress: new Map(), restricted: new Set(curriculum.topics.filter((other) => other !== topic).map((other) => other.id)) }
      const passages = curriculum.passagesOf(topic, ageGroup).filter((passage) => passage.kind !== 'crossing')
      const say = (offered: readonly TutorChoice[]) => ({ choice: offered.at(-1) as TutorChoice })
      const told = await walk({ topic, ageGroup, map, turns: passages.length, say }, (reply, { told: before }) => {
        expect(reply.choices).toHaveLength(Math.min(3, passages.length - before.length - 1))
      })
      expect(told.toSorted()).toEqual(passages.map((passage) => passage.key).toSorted())
    }
  })
})
