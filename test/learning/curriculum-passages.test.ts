import { describe, expect, it } from 'vitest'
import { AGE_GROUPS } from '../../src/family/age-groups.ts'
import { SENTENCE_LIMITS, sentenceLengths, sentencesOf, wordsOf } from '../../src/learning/content/readability.ts'
import type { Topic } from '../../src/learning/curriculum/curriculum.ts'
import { curriculum, VOICES } from '../helpers/curriculum.ts'
import { LIMITS, tooHard } from '../helpers/readability.ts'

const ALL = VOICES.flatMap(({ topic, ageGroup }) => curriculum.passagesOf(topic, ageGroup))
const depthsOf = (topic: Topic, ageGroup: (typeof AGE_GROUPS)[number]) => new Set(curriculum.passagesOf(topic, ageGroup).map((passage) => passage.depth))

describe('passages', () => {
  it('are over 1,600, 12 of the path and 10 answers at least in each voice of each topic, at every depth', () => {
    expect(ALL.length).toBeGreaterThan(1_600)
    for (const { topic, ageGroup } of VOICES) {
      const passages = curriculum.passagesOf(topic, ageGroup)
      const where = `${topic.slug}/${ageGroup}`
      expect(passages.filter((passage) => passage.kind === 'path').length, where).toBeGreaterThanOrEqual(12)
      expect(passages.filter((passage) => passage.kind === 'answer').length, where).toBeGreaterThanOrEqual(10)
      expect(
        [...depthsOf(topic, ageGroup)].toSorted((a, b) => a - b),
        where,
      ).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    }
  })

  it('cross every strong connection, from both sides, in each voice, and lead on into the topic across', () => {
    for (const { from, to } of curriculum.connections.filter((connection) => connection.strength === 'strong')) {
      for (const ageGroup of AGE_GROUPS) {
        for (const [here, there] of [
          [from, to],
          [to, from],
        ] as const) {
          const crossings = curriculum.passagesOf(here, ageGroup).filter((passage) => passage.across === there)
          expect(crossings.length, `${here.slug} to ${there.slug}, ${ageGroup}`).toBeGreaterThanOrEqual(1)
          for (const crossing of crossings)
            expect(
              crossing.leadsTo.map((key) => curriculum.passage(key)?.topic),
              crossing.key,
            ).toContain(there)
        }
      }
    }
  })

  it('lead to at least three others of the same voice, which all exist', () => {
    for (const passage of ALL) {
      expect(new Set(passage.leadsTo).size, passage.key).toBeGreaterThanOrEqual(3)
      expect(passage.leadsTo, passage.key).not.toContain(passage.key)
      for (const key of passage.leadsTo) expect(curriculum.passage(key)?.ageGroup, `${passage.key} leads to ${key}`).toBe(passage.ageGroup)
    }
  })

  it('lead, when they leave their topic, to one it is connected with', () => {
    for (const passage of ALL) {
      const neighbours = [passage.topic, ...passage.topic.connections.map((connection) => connection.topic)]
      for (const key of passage.leadsTo) expect(neighbours, `${passage.key} leads to ${key}`).toContain(curriculum.passage(key)?.topic)
    }
  })

  it('are found by their key, which no two share', () => {
    for (const passage of ALL) expect(curriculum.passage(passage.key)).toBe(passage)
    expect(new Set(ALL.map((passage) => passage.key)).size).toBe(ALL.length)
    expect(curriculum.passage('space/wonder_cubs/no-such-passage')).toBeUndefined()
  })

  it('belong to a subtopic of their topic, and each subtopic has some', () => {
    for (const { topic, ageGroup } of VOICES) {
      const told = new Set(curriculum.passagesOf(topic, ageGroup).map((passage) => passage.subtopic))
      expect([...told].toSorted(), `${topic.slug}/${ageGroup}`).toEqual(topic.subtopics.map((subtopic) => subtopic.slug).toSorted())
    }
  })

  it('are asked for in words that no other of the topic and voice uses', () => {
    for (const { topic, ageGroup } of VOICES) {
      const asks = curriculum.passagesOf(topic, ageGroup).map((passage) => passage.ask.toLowerCase())
      expect(new Set(asks).size, `${topic.slug}/${ageGroup}`).toBe(asks.length)
    }
  })

  it('read with ease at their age: 8, 12 and 16 words a sentence on average, 12, 18 and 24 at most', () => {
    const hard = ALL.map((passage) => ({ key: passage.key, faults: tooHard(passage.sentences.join(''), passage.ageGroup) }))
    expect(hard.filter(({ faults }) => faults.length > 0)).toEqual([])
  })

  it('say no sentence that another of the topic and voice has said', () => {
    const repeated: string[] = []
    for (const { topic, ageGroup } of VOICES) {
      const said = new Map<string, string>()
      for (const passage of curriculum.passagesOf(topic, ageGroup)) {
        for (const sentence of passage.sentences.map((part) => part.trim().toLowerCase())) {
          const other = said.get(sentence)
          if (other !== undefined && other !== passage.key) repeated.push(`${other} and ${passage.key}: ${sentence}`)
          said.set(sentence, passage.key)
        }
      }
    }
    expect(repeated).toEqual([])
  })
})

describe('openings and phrases', () => {
  it('greet by name, offer three ways on of depth 1, and read with ease', () => {
    for (const { topic, ageGroup } of VOICES) {
      const opening = curriculum.opening(topic, ageGroup)
      const where = `${topic.slug}/${ageGroup}`
      for (const greeting of [opening.first, opening.again]) {
        expect(greeting, where).toContain('{name}')
        expect(tooHard(greeting, ageGroup), where).toEqual([])
      }
      expect(opening.first, where).not.toBe(opening.again)
      expect(new Set(opening.leadsTo).size, where).toBe(3)
      for (const key of opening.leadsTo) expect(curriculum.passage(key), key).toMatchObject({ topic, ageGroup, depth: 1 })
    }
  })

  it('of the tutor read with ease at their age', () => {
    for (const [kind, voices] of Object.entries(curriculum.phrases)) {
      for (const ageGroup of AGE_GROUPS) for (const phrase of voices[ageGroup]) expect(tooHard(phrase, ageGroup), `${kind}/${ageGroup}: ${phrase}`).toEqual([])
    }
  })
})

describe('readability', () => {
  it('has the limits of the age groups', () => {
    for (const ageGroup of AGE_GROUPS) expect([SENTENCE_LIMITS[ageGroup].average, SENTENCE_LIMITS[ageGroup].longest]).toEqual(LIMITS[ageGroup])
  })

  it('splits a text into sentences that join to the text', () => {
    const text = 'Pop! Is it 3.5 metres? "Yes," said Mia. It is.'
    expect(sentencesOf(text).join('')).toBe(text)
    expect(sentenceLengths(text)).toEqual([1, 4, 3, 2])
  })

  it('counts words, not punctuation', () => {
    expect(wordsOf("Don't stop – 12 ants, go!")).toEqual(["Don't", 'stop', '12', 'ants', 'go'])
    expect(sentenceLengths('...')).toEqual([])
  })
})
