import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AGE_GROUPS } from '../../src/family/age-groups.ts'
import type { MapState } from '../../src/learning/constellation/topic-map.ts'
import { sentencesOf } from '../../src/learning/content/readability.ts'
import { readSources } from '../../src/learning/curriculum/sources.ts'
import { builtinTutor } from '../../src/learning/tutor/builtin.ts'
import { HOUR } from '../../src/platform/clock.ts'
import { anyAgeGroup, anyMap, anySlug, curriculum, everythingOpen, mapOf, topicNamed, VOICES } from '../helpers/curriculum.ts'
import { ask, listenTo, retrieval, turnIn, tutor } from '../helpers/tutor-talk.ts'

const space = topicNamed('space')
const physics = topicNamed('physics')

describe('the greeting', () => {
  const greet = (childName: string, heardBefore: readonly string[] = []) =>
    tutor.greet({ topic: space, ageGroup: 'curious_explorers', childName, map: everythingOpen, heardBefore: new Set(heardBefore) })

  it.each(['Emma', '$&', "$'", '$1', '{name}', '{name}{name}', 'Zoë-Mae', 'O’Neil', '小明', '<b>Max</b>', '\\n'])('says the name %s as it is', (name) => {
    const { first } = curriculum.opening(space, 'curious_explorers')
    const [before = '', after = ''] = first.split('{name}')
    expect(greet(name).text).toBe(before + name + after)
  })

  it('says any name as it is, in every topic and voice', () => {
    fc.assert(
      fc.property(anySlug, anyAgeGroup, fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }), (slug, ageGroup, childName) => {
        const topic = topicNamed(slug)
        const { text } = tutor.greet({ topic, ageGroup, childName, map: everythingOpen, heardBefore: new Set() })
        expect(text).toContain(childName)
        expect(text.length).toBe(curriculum.opening(topic, ageGroup).first.length - '{name}'.length + childName.length)
      }),
    )
  })

  it('says that grown-ups can read along to a child that has not talked yet, before it asks', () => {
    for (const { topic, ageGroup } of VOICES) {
      const [told = ''] = curriculum.phrases.read_along[ageGroup]
      const greetOn = (map: MapState) => tutor.greet({ topic, ageGroup, childName: 'Emma', map, heardBefore: new Set() }).text
      const sentences = sentencesOf(greetOn(mapOf({})))
      expect(sentences.findIndex((sentence) => sentence.trim() === told)).toBe(sentences.length - 2)
      expect(greetOn(everythingOpen)).not.toContain(told)
    }
  })

  it('leads where the author said, the first time', () => {
    for (const { topic, ageGroup } of VOICES) {
      const { choices } = tutor.greet({ topic, ageGroup, childName: 'Emma', map: everythingOpen, heardBefore: new Set() })
      expect(choices.map((choice) => choice.passage)).toEqual(curriculum.opening(topic, ageGroup).leadsTo)
    }
  })

  it('is another one for a child that comes back, and leads to what was not heard yet', () => {
    const heard = curriculum.opening(space, 'curious_explorers').leadsTo
    const { text, choices } = greet('Emma', heard)
    expect(text).toBe(curriculum.opening(space, 'curious_explorers').again.replace('{name}', 'Emma'))
    expect(choices).toHaveLength(3)
    for (const choice of choices) expect(heard).not.toContain(choice.passage)
  })

  it('offers three ways on even to a child that has heard everything', () => {
    const everything = curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, 'curious_explorers')).map((passage) => passage.key)
    expect(new Set(greet('Emma', everything).choices.map((choice) => choice.passage)).size).toBe(3)
  })
})

describe('a reply', () => {
  it('streams a passage sentence by sentence, and the sentences join to what the author wrote', async () => {
    const { topics } = readSources()
    for (const { topic, ageGroup } of VOICES) {
      const written = topics.find((file) => file.topic === topic.slug)?.voices[ageGroup].passages ?? []
      for (const [index, passage] of curriculum.passagesOf(topic, ageGroup).entries()) {
        const choice = { text: passage.ask, icon: passage.icon, passage: passage.key }
        const reply = await listenTo(tutor, turnIn(topic, ageGroup, { choice }, { offered: [choice] }))
        expect(reply.chunks).toEqual(passage.sentences)
        expect(reply.text).toBe(written[index]?.text)
      }
    }
  })

  it('says which model spoke', async () => {
    expect((await ask(space, 'mind_masters', 'Why do stars twinkle?')).signals.model).toBe('builtin')
  })

  it('stops between two sentences when it is aborted', async () => {
    const slow = builtinTutor(curriculum, retrieval, HOUR)
    const abort = new AbortController()
    const reply = slow.reply(turnIn(space, 'wonder_cubs', { question: 'Why do stars twinkle?' }), abort.signal)[Symbol.asyncIterator]()
    const passage = curriculum.passage('space/wonder_cubs/twinkle')
    expect(await reply.next()).toMatchObject({ done: false, value: { text: passage?.sentences[0], isReviewed: true } })
    const second = reply.next()
    abort.abort()
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    expect(await reply.next()).toEqual({ done: true, value: undefined })
  })
})

describe('a choice', () => {
  const gone = { text: 'Why do stars twinkle?', icon: 'sparkle', passage: 'space/curious_explorers/gone-with-an-update' }

  it('whose passage an update removed is answered by its words', async () => {
    const reply = await listenTo(tutor, turnIn(space, 'curious_explorers', { choice: gone }, { offered: [gone] }))
    expect(reply.signals.passage?.key).toBe('space/curious_explorers/twinkle')
    expect(reply.choices).toHaveLength(3)
  })

  it('whose passage an update removed, and whose words nothing answers, gets an honest phrase and three other ways on', async () => {
    const lost = { ...gone, text: 'Flurbo zwinkle gratch?' }
    const reply = await listenTo(tutor, turnIn(space, 'curious_explorers', { choice: lost }, { offered: [lost] }))
    expect(curriculum.phrases.unknown.curious_explorers).toContain(reply.text)
    expect(reply.choices).toHaveLength(3)
    expect(reply.choices.map((choice) => choice.passage)).not.toContain(lost.passage)
  })

  // Attack: a parent restricts a topic while a choice that leads into it is still on the child's screen.
  it('that leads into a topic restricted since it was offered does not tell of it', async () => {
    for (const ageGroup of AGE_GROUPS) {
      const passage = curriculum.passage(`space/${ageGroup}/twinkle`)
      const choice = { text: passage?.ask ?? '', icon: 'sparkle', passage: passage?.key ?? '' }
      const reply = await listenTo(tutor, turnIn(physics, ageGroup, { choice }, { offered: [choice], map: mapOf({ restricted: ['space'] }) }))
      expect(reply.signals.passage?.topic.slug).not.toBe('space')
      expect(reply.text).not.toBe(passage?.sentences.join(''))
    }
  })
})

describe('three ways on', () => {
  it('are offered by every greeting, none of them closed to the child, on any map that leaves ten topics', () => {
    fc.assert(
      fc.property(anySlug, anyAgeGroup, anyMap, (slug, ageGroup, map) => {
        const topic = topicNamed(slug)
        fc.pre(map.restricted.size <= 15 && !map.restricted.has(topic.id))
        const { choices } = tutor.greet({
          topic,
          ageGroup,
          childName: 'Emma',
          map: { ...map, progress: new Map(map.progress).set(topic.id, { depth: 1, talked: true }) },
          heardBefore: new Set(),
        })
        expect(new Set(choices.map((choice) => choice.text.toLowerCase())).size).toBe(3)
        for (const choice of choices) expect(map.restricted.has(curriculum.passage(choice.passage)?.topic.id ?? '')).toBe(false)
      }),
    )
  })

  it('stay the same after a phrase that answers nothing', async () => {
    const turn = turnIn(space, 'curious_explorers', { question: 'Flurbo zwinkle gratch?' })
    expect((await listenTo(tutor, turn)).choices).toEqual(turn.offered)
  })
})
