import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { guardedTutor } from '../../src/learning/tutor/guarded-tutor.ts'
import type { TutorModel } from '../../src/learning/tutor/tutor-model.ts'
import { topicNamed } from '../helpers/curriculum.ts'
import { guarded, guardedTalk, moderators } from '../helpers/guarded-tutor.ts'
import { MODEL } from '../helpers/language-tutor.ts'
import { answersAtOnce, cuts, ends, fails, hangs, onlyPlain, refuses, replies, replyJson, streams, TWO_SUNS, WAYS_ON } from '../helpers/model-server.ts'
import { tutor as builtin, listenTo, type Reply, turnIn } from '../helpers/tutor-talk.ts'
import { anyReply, canariesIn, DISGUISES, HARMLESS, UNSAFE } from '../helpers/unsafe.ts'

const QUESTION = 'What if a planet had two suns?'
const BOMB = 'Here is how to make a bomb at home.'
const turn = turnIn(topicNamed('space'), 'curious_explorers', { question: QUESTION })
const [FIRST, SECOND] = HARMLESS

/** Speaks so, without any provider. */
function modelThatSays(sentences: readonly string[], choices = WAYS_ON): TutorModel {
  const by = { model: MODEL }
  return {
    async *reply() {
      for (const text of sentences) yield { text: `${text} `, by }
      yield { choices, signals: { ...by, onTopic: true, passage: undefined } }
    },
  }
}

const whatIsSaidOf = (sentences: readonly string[], choices?: typeof WAYS_ON) => listenTo(guarded(modelThatSays(sentences, choices)), turn)
const flagged = ({ signals }: Reply) => signals.findings?.map(({ category }) => category)
const isDistinct = ({ choices }: Reply) => new Set(choices.map(({ text }) => text.toLowerCase())).size === 3 && choices.length === 3

async function expectBuiltin(reply: Reply): Promise<void> {
  const alone = await listenTo(builtin, turn)
  expect([reply.chunks, reply.choices]).toEqual([alone.chunks, alone.choices])
  expect(reply.signals).toMatchObject({ model: 'builtin', onTopic: alone.signals.onTopic })
  expect(reply.signals.passage).toBe(alone.signals.passage)
}

/** Only what came before the unsafe sentence was said, and the reply has an end that tells who spoke. */
function expectCutAfter(reply: Reply, sentences: readonly string[]): void {
  expect(reply.chunks.map((chunk) => chunk.trim())).toEqual(sentences)
  expect(isDistinct(reply)).toBe(true)
  expect(reply.choices).toEqual(builtin.waysOn(turn, { ...builtin.answer(turn), passage: undefined }))
  expect(reply.signals.model).toBe(MODEL)
}

describe('a reply of a language model', () => {
  it('that is harmless is told as it is, and nothing is found', async () => {
    const { ask } = await guardedTalk(replies())
    const reply = await ask(QUESTION)
    expect([reply.text, reply.signals.model, reply.signals.findings]).toEqual([TWO_SUNS, MODEL, undefined])
    expect(reply.choices.map(({ text }) => text)).toEqual(WAYS_ON.map(({ text }) => text))
  })

  it.each(UNSAFE.map(({ category, text }) => [category, text] as const))(
    'whose first sentence is unsafe (%s: %s) is not heard: the builtin tutor answers',
    async (category, text) => {
      const { ask, server } = await guardedTalk(replies({ content: `${text} ${TWO_SUNS}` }))
      const reply = await ask(QUESTION)
      await expectBuiltin(reply)
      expect(flagged(reply)).toContain(category)
      for (const finding of reply.signals.findings ?? [])
        expect(finding).toMatchObject({ severity: 'low', action: 'replaced', audience: 'family', on: 'reply' })
      expect(reply.signals.usage?.tokensIn).toBeGreaterThan(100)
      expect(server.requests).toHaveLength(1)
    },
  )

  it.each(UNSAFE.map(({ category, text }) => [category, text] as const))(
    'whose third sentence is unsafe (%s: %s) ends before it, with ways on, and names the model',
    async (category, text) => {
      const { ask } = await guardedTalk(replies({ content: `${FIRST} ${SECOND} ${text} ${HARMLESS[2]}` }))
      const reply = await ask(QUESTION)
      expectCutAfter(reply, [FIRST, SECOND])
      expect(flagged(reply)).toContain(category)
      expect(reply.signals).toMatchObject({ promptVersion: 'tutor.v1', latencyMs: 0, onTopic: true })
      expect(reply.signals.usage?.tokensIn).toBeGreaterThan(100)
      expect(reply.signals.usage?.tokensOut).toBeGreaterThan(5)
    },
  )

  it('that is unsafe all through is not heard', async () => {
    const reply = await whatIsSaidOf(UNSAFE.map(({ text }) => text))
    await expectBuiltin(reply)
  })

  it('is cut off at the provider as soon as it is cut off for the child', async () => {
    const json = replyJson({ content: `${BOMB} ${TWO_SUNS}` })
    const { ask, server } = await guardedTalk(streams(json.slice(0, json.indexOf('two shadows')), { after: hangs }))
    await expectBuiltin(await ask(QUESTION))
    expect(await server.requests[0]?.hungUp).toBe(true)
  })

  it.each([
    ['that refuses', refuses(BOMB)],
    ['that is filtered', streams(replyJson({ content: BOMB }).slice(0, 30), { finish: 'content_filter' })],
    ['that fails in words', fails(400, { error: { message: BOMB } })],
    ['that is no sentence', replies({ content: { bomb: BOMB } })],
    ['that is a single word', replies({ content: 'Porn' })],
    ['in plain text', onlyPlain(streams(`${BOMB} ${TWO_SUNS}`, { deltaLength: 4 }))],
    ['all at once', answersAtOnce(replyJson({ content: `${BOMB} ${TWO_SUNS}` }))],
    ['without an end', streams('{"content": "Here is how to make a bomb at home', { after: ends })],
    ['that breaks off behind it', streams(`{"content": "${BOMB} And`, { after: cuts })],
    ['twice, the second time unsafe', streams(replyJson().replace(TWO_SUNS, BOMB))],
  ])('%s is answered by the builtin tutor where nothing harmless was said', async (_what, behaviour) => {
    const { ask } = await guardedTalk(behaviour, { retries: 0 })
    await expectBuiltin(await ask(QUESTION))
  })

  it('counts as an answer to the question of the day, also when it is cut off', async () => {
    const spark = { topic: topicNamed('space'), question: 'What would you take to the Moon?', reply: ['Good. '], leadsTo: [] } as never
    const { ask } = await guardedTalk(replies({ content: `${FIRST} ${BOMB}` }))
    const { signals, chunks } = await ask('I would take my teddy', { spark })
    expect([signals.answersSpark, signals.model, chunks.length]).toEqual([true, MODEL, 1])
  })
})

// Attack: a model is made to hide what it says from whoever looks at single sentences, pieces or letters.
describe('an unsafe phrase', () => {
  it.each([
    ['over two sentences', ['You may ask how to make.', 'A bomb is easy.']],
    ['over three sentences', ['Listen: how to.', 'Make.', 'A bomb.']],
    ['over five sentences', ['How.', 'To.', 'Make.', 'A.', 'Bomb.']],
    ['over the last of many', [FIRST, SECOND, 'Think of how to make.', 'A bomb.']],
    ['that asks, over two', ['What is your.', 'Phone number?']],
    ['over an emoji', ['Think of how to make. 🌟', 'A bomb 🌟 is easy.']],
  ])('%s is cut off before it is whole', async (_how, sentences) => {
    const reply = await whatIsSaidOf(sentences)
    expect(reply.chunks.length).toBeLessThan(sentences.length)
    expectCutAfter(reply, sentences.slice(0, Math.max(1, reply.chunks.length)))
    expect(reply.signals.findings?.length).toBeGreaterThan(0)
  })

  it('over the cut of a sentence that is too long is cut off', async () => {
    const long = `${'and the stars turn, '.repeat(19)}and I know how to make a bomb, and so on`
    const { ask } = await guardedTalk(replies({ content: `${FIRST} ${long}.` }))
    const reply = await ask(QUESTION)
    expect(reply.text).not.toContain('bomb')
    expect(reply.signals.findings?.map(({ category }) => category)).toContain('violence')
  })

  it.each([1, 2, 3, 7, 50])('in pieces of %i characters is cut off', async (deltaLength) => {
    const { ask } = await guardedTalk(replies({ content: `${FIRST} ${BOMB} ${SECOND}` }, { deltaLength, writeBytes: 13 }))
    expectCutAfter(await ask(QUESTION), [FIRST])
  })

  it('in escapes of JSON is cut off', async () => {
    const escaped = [...BOMB].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
    const { ask } = await guardedTalk(streams(replyJson({ content: `${FIRST} BOMB` }).replace('BOMB', escaped), { deltaLength: 4 }))
    expectCutAfter(await ask(QUESTION), [FIRST])
  })

  it.each(Object.entries(DISGUISES))('written with %s is cut off', async (_how, disguise) => {
    const { ask } = await guardedTalk(replies({ content: `${FIRST} ${disguise(BOMB)} ${SECOND}` }))
    expectCutAfter(await ask(QUESTION), [FIRST])
  })

  it.each(Object.entries(DISGUISES))('written with %s is no way on', async (_how, disguise) => {
    const { ask } = await guardedTalk(replies({ choices: [{ text: disguise('Know how to make a bomb'), icon: 'star' }, ...WAYS_ON.slice(0, 2)] }))
    const reply = await ask(QUESTION)
    expect(isDistinct(reply)).toBe(true)
    expect(reply.choices.slice(0, 2).map(({ text }) => text)).toEqual(WAYS_ON.slice(0, 2).map(({ text }) => text))
  })
})

describe('choices of a language model', () => {
  const unsafe = UNSAFE.filter(({ text }) => text.length <= 60).map(({ text }) => ({ text, icon: 'star' }))

  it.each(unsafe.map(({ text }) => text))('that are unsafe (%s) are replaced, each alone, and the rest stay', async (text) => {
    for (const place of [0, 1, 2]) {
      const reply = await whatIsSaidOf([FIRST], WAYS_ON.with(place, { text, icon: 'star' }))
      const kept = WAYS_ON.toSpliced(place, 1).map((way) => way.text)
      expect(reply.choices.slice(0, 2).map((way) => way.text)).toEqual(kept)
      expect(isDistinct(reply)).toBe(true)
      expect(reply.signals.model).toBe(MODEL)
      expect(reply.signals.findings?.every(({ action, on }) => action === 'replaced' && on === 'reply')).toBe(true)
      expect(reply.signals.findings?.length).toBeGreaterThan(0)
    }
  })

  it('that are all unsafe are those of the curriculum', async () => {
    const { ask } = await guardedTalk(replies({ choices: unsafe }))
    const reply = await ask(QUESTION)
    expect(reply.text).toBe(TWO_SUNS)
    expect(reply.choices).toEqual((await listenTo(builtin, turn)).choices)
  })

  it('are three that differ, whichever of them are unsafe and whatever the others say', async () => {
    const ways = builtin.waysOn(turn, builtin.answer(turn))
    const anyChoice = fc.oneof(
      fc.constantFrom(...unsafe),
      fc.constantFrom(...WAYS_ON),
      fc.constantFrom(...ways),
      fc.constantFrom(...ways.map((way) => ({ ...way, text: way.text.toUpperCase() }))),
      fc.constantFrom(...ways.map((way) => ({ ...way, text: `Please: ${way.text}` }))),
    )
    const gistOf = ({ text }: { text: string }) => text.toLowerCase().replace(/[^a-z]/g, '')
    const three = fc.uniqueArray(anyChoice, { minLength: 3, maxLength: 3, selector: gistOf })
    await fc.assert(
      fc.asyncProperty(three, async (choices) => {
        const { choices: offered } = await whatIsSaidOf([FIRST], choices)
        expect(offered).toHaveLength(3)
        expect(new Set(offered.map(gistOf)).size).toBe(3)
        expect(canariesIn(JSON.stringify(offered))).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
})

describe('whatever a model says', () => {
  it('nothing of an unsafe sentence is told, nor of what comes behind it', async () => {
    await fc.assert(
      fc.asyncProperty(anyReply, async (sentences) => {
        const reply = await whatIsSaidOf(sentences)
        expect(canariesIn(JSON.stringify([reply.chunks, reply.choices]))).toEqual([])
        expect(isDistinct(reply)).toBe(true)
        const before = sentences.slice(
          0,
          sentences.findIndex((sentence) => canariesIn(sentence).length > 0),
        )
        if (reply.signals.model === 'builtin') await expectBuiltin(reply)
        else expectCutAfter(reply, before.slice(0, reply.chunks.length))
        expect(reply.signals.findings?.length).toBeGreaterThan(0)
      }),
      { numRuns: 100 },
    )
  })

  it('is told where it comes from people: what the builtin tutor says in its place is not judged', async () => {
    const around = (model: TutorModel) => guardedTutor({ model, builtin, ...moderators, moderateReply: () => ['violence'], provider: undefined })
    const { ask } = await guardedTalk(fails(401), { around })
    const reply = await ask(QUESTION)
    await expectBuiltin(reply)
    expect(reply.signals.findings).toBeUndefined()
  })

  it('is judged where a model takes the name of the builtin tutor', async () => {
    const by = { model: 'builtin' }
    const impostor: TutorModel = {
      async *reply() {
        yield { text: BOMB, by }
        yield { choices: WAYS_ON, signals: { ...by, onTopic: true, passage: undefined } }
      },
    }
    await expectBuiltin(await listenTo(guarded(impostor), turn))
  })
})
