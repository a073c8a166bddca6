import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAccessible } from '../../src/learning/constellation/topic-map.ts'
import { threeWaysOn } from '../../src/learning/tutor/language-model/offered-ways.ts'
import type { TutorChoice, TutorTurn } from '../../src/learning/tutor/tutor-model.ts'
import { anyAgeGroup, anyMap, anySlug, curriculum, everythingOpen, mapOf, topicNamed } from '../helpers/curriculum.ts'
import { MODEL, modelTalk } from '../helpers/language-tutor.ts'
import { fails, replies, WAYS_ON } from '../helpers/model-server.ts'
import { tutor as builtin, listenTo, retrieval, turnIn } from '../helpers/tutor-talk.ts'

const QUESTION = 'What if a planet had two suns?'
const space = topicNamed('space')

/** The choices of a reply to a child at 7 to 9 that talks about Space. */
function offeredAfter(offered: unknown, rest: Partial<TutorTurn> = {}, question = QUESTION): { choices: TutorChoice[]; waysOn: TutorChoice[] } {
  const turn = turnIn(space, 'curious_explorers', { question }, rest)
  const answer = builtin.answer(turn)
  const waysOn = builtin.waysOn(turn, answer)
  return { waysOn, choices: threeWaysOn(offered, waysOn, turn, answer, { curriculum, retrieval }) }
}

const NEW_WAY = { text: 'Could a flumph juggle?', icon: 'star' }
const passageOf = (key: string) => curriculum.passage(`space/curious_explorers/${key}`)

describe('choices of a language model', () => {
  it('are offered as they are, and lead to the passage that surely answers them', () => {
    const { choices } = offeredAfter([...WAYS_ON.slice(0, 2), NEW_WAY])
    expect(choices.map(({ text, icon }) => ({ text, icon }))).toEqual([...WAYS_ON.slice(0, 2), NEW_WAY])
    expect(choices[0]?.passage).toBe('space/curious_explorers/stars-1')
    expect(choices[2]).toEqual({ ...NEW_WAY, passage: undefined })
  })

  it('that are those of the curriculum lead where those lead', () => {
    const { waysOn } = offeredAfter([])
    const shouted = waysOn.map(({ text, icon }) => ({ text: text.toUpperCase(), icon }))
    expect(offeredAfter(shouted).choices.map(({ passage }) => passage)).toEqual(waysOn.map(({ passage }) => passage))
  })

  it.each([
    ['none', undefined],
    ['no list', 'What are stars?'],
    ['an object', { 0: WAYS_ON[0] }],
    ['an empty list', []],
    ['things that are no choices', [null, 3, [], {}, { text: 7 }, { icon: 'star' }]],
    ['empty ones', ['', '  ', { text: ' \n ', icon: 'star' }, '🌟', '...']],
    ['ones too long to read', [{ text: 'Tell me '.repeat(12), icon: 'star' }]],
    ['markup and links', ['<b>Stars</b>', 'https://stars.example', '[Stars](x)', '{"text":"Stars"}']],
    ['what the child just said', [QUESTION, 'what if a planet had two suns']],
  ])('that are %s are replaced by those of the curriculum', (_what, offered) => {
    const { choices, waysOn } = offeredAfter(offered)
    expect(choices).toHaveLength(3)
    expect(choices).toEqual(waysOn)
  })

  it('are three, however many there are', () => {
    const many = Array.from({ length: 50 }, (_, at) => ({ text: `Could flumph ${at} juggle?`, icon: 'star' }))
    expect(offeredAfter(many).choices.map(({ text }) => text)).toEqual(many.slice(0, 3).map(({ text }) => text))
  })

  it('that say the same, or lead to the same, are one', () => {
    const { choices, waysOn } = offeredAfter([NEW_WAY, { text: 'could a FLUMPH juggle', icon: 'moon' }, 'What are stars?', 'what are Stars ?!'])
    expect(choices.map(({ text }) => text)).toEqual([NEW_WAY.text, 'What are stars?', waysOn[0]?.text])
  })

  it('may be mere texts, with Markdown or spaces around them', () => {
    const { choices } = offeredAfter(['  **Could a flumph  juggle?**\n', 'What are stars?'])
    expect(choices.slice(0, 2).map(({ text }) => text)).toEqual([NEW_WAY.text, 'What are stars?'])
  })

  it('have an icon that clients draw: their own, else that of the passage, else that of the topic', () => {
    const { choices } = offeredAfter([{ text: NEW_WAY.text, icon: 'no_such_icon' }, { text: 'What are stars?', icon: '🌟' }, { text: 'Could a blorb sing?' }])
    expect(choices.map(({ icon }) => icon)).toEqual([space.icon, passageOf('stars-1')?.icon, space.icon])
    for (const { icon } of choices) expect(curriculum.icons.has(icon)).toBe(true)
  })

  it('do not lead to what has been told', () => {
    const told = ['space/curious_explorers/stars-1']
    expect(offeredAfter(['What are stars?'], { told }).choices.map(({ text }) => text)).not.toContain('What are stars?')
  })

  // Attack: a model talks a child into what its parent has closed, or into what it has not opened yet.
  it('do not lead where it is closed or locked', () => {
    const into = { text: 'What is a black hole?', icon: 'black_hole' }
    const blackHoles = topicNamed('black-holes')
    const map = mapOf({ restricted: ['black-holes'] })
    expect(offeredAfter([into], { map: everythingOpen }, 'Can dogs fly?').choices[0]).toMatchObject(into)
    const deep = { text: curriculum.passagesOf(blackHoles, 'curious_explorers')[0]?.ask as string, icon: 'star' }
    for (const closed of [map, mapOf({})]) {
      const { choices } = offeredAfter([deep], { map: closed })
      expect(choices).toHaveLength(3)
      expect(choices.map(({ text }) => text)).not.toContain(deep.text)
    }
  })

  it('are always three different ones that a child may take, whatever the model wrote', () => {
    const anyText = fc.oneof(fc.string({ maxLength: 80, unit: 'grapheme' }), fc.constantFrom(...curriculum.topics.map(({ name }) => `What about ${name}?`)))
    const anyOffer = fc.oneof(anyText, fc.record({ text: anyText, icon: fc.oneof(fc.string(), fc.constantFrom('star', 'moon')) }), fc.jsonValue())
    fc.assert(
      fc.property(anySlug, anyAgeGroup, anyMap, fc.oneof(fc.jsonValue(), fc.array(anyOffer, { maxLength: 5 })), (slug, ageGroup, map, offered) => {
        const topic = topicNamed(slug)
        fc.pre(map.restricted.size <= 12 && isAccessible(topic, map))
        const turn = turnIn(topic, ageGroup, { question: QUESTION }, { map })
        const answer = builtin.answer(turn)
        const choices = threeWaysOn(offered, builtin.waysOn(turn, answer), turn, answer, { curriculum, retrieval })
        expect(choices).toHaveLength(3)
        expect(new Set(choices.map(({ text }) => text.toLowerCase())).size).toBe(3)
        for (const { text, icon, passage } of choices) {
          expect(text.length).toBeLessThanOrEqual(60)
          expect(curriculum.icons.has(icon)).toBe(true)
          const leadsTo = curriculum.passage(passage)
          expect(!leadsTo || isAccessible(leadsTo.topic, map)).toBe(true)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('a talk goes on from them', () => {
  const offered = offeredAfter([...WAYS_ON.slice(0, 1), NEW_WAY]).choices

  it('by the passage, told by whoever is there', async () => {
    const choice = offered[0] as TutorChoice
    const reply = await listenTo(builtin, turnIn(space, 'curious_explorers', { choice }, { offered }))
    expect(reply.signals.passage?.key).toBe(choice.passage)
    const { tap } = await modelTalk(replies())
    const spoken = await tap(choice, { offered })
    expect([spoken.signals.model, spoken.signals.passage?.key]).toEqual([MODEL, choice.passage])
  })

  it('by the words where there is no passage, with the builtin tutor when the model is away', async () => {
    const choice = offered[1] as TutorChoice
    const { tap, server } = await modelTalk([replies(), fails(401)])
    expect((await tap(choice, { offered })).signals).toMatchObject({ model: MODEL, passage: undefined, onTopic: true })
    expect(server.requests[0]?.body.messages.at(-1)).toEqual({ role: 'user', content: NEW_WAY.text })
    const reply = await tap(choice, { offered })
    expect(reply.signals.model).toBe('builtin')
    expect(curriculum.phrases.unknown.curious_explorers).toContain(reply.text)
    expect(reply.choices).toHaveLength(3)
    for (const { passage } of reply.choices) expect(curriculum.passage(passage)).toBeDefined()
  })

  it('and a tap is no answer to the spark', async () => {
    const [spark] = curriculum.sparksOf('curious_explorers')
    const choice = { text: 'Two suns forever', icon: 'sun' }
    const tapped = await listenTo(builtin, turnIn(space, 'curious_explorers', { choice }, { offered: [choice], spark }))
    expect(tapped.signals.answersSpark).toBeFalsy()
    const { ask } = await modelTalk(replies())
    const reply = await ask('I think one sun is enough', { spark })
    expect(reply.signals).toMatchObject({ model: MODEL, answersSpark: true, onTopic: true })
  })
})
