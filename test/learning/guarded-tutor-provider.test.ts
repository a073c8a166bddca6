import { describe, expect, it } from 'vitest'
import { sentencesOf } from '../../src/learning/content/readability.ts'
import type { TutorTurn } from '../../src/learning/tutor/tutor-model.ts'
import { topicNamed } from '../helpers/curriculum.ts'
import { type JudgedTalk, judgedTalk } from '../helpers/guarded-tutor.ts'
import { MODEL } from '../helpers/language-tutor.ts'
import {
  type Behaviour,
  cuts,
  fails,
  finds,
  gives,
  hangs,
  hangsWithin,
  judges,
  replies,
  replyJson,
  streams,
  TWO_SUNS,
  WAYS_ON,
} from '../helpers/model-server.ts'
import { tutor as builtin, listenTo, type Reply, turnIn } from '../helpers/tutor-talk.ts'

const QUESTION = 'What if a planet had two suns?'
const SENTENCES = sentencesOf(TWO_SUNS)
const HASTY = { longestMs: 2_000 }
const turnOf = (question: string, rest: Partial<TutorTurn> = {}) => turnIn(topicNamed('space'), 'curious_explorers', { question }, rest)

const judgedTexts = ({ server }: JudgedTalk): string[] => server.moderation.requests.map(({ body }) => body.input)
/** Finds something wherever the words stand. */
const findsIn = (words: string) => judges((text) => (text.includes(words) ? ['violence'] : []))
/** Judges nothing of what holds the words, in this way. */
const failsAt =
  (words: string, behaviour: Behaviour): Behaviour =>
  (response, request) =>
    (request.body.input.includes(words) ? behaviour : finds())(response, request)

async function expectBuiltin(reply: Reply, question = QUESTION): Promise<void> {
  const alone = await listenTo(builtin, turnOf(question))
  expect([reply.chunks, reply.choices, reply.signals.model]).toEqual([alone.chunks, alone.choices, 'builtin'])
}

const FAILURES: [string, Behaviour][] = [
  ['fails', fails(500)],
  ['refuses the key', fails(401)],
  ['has too many requests, and asks for an hour', fails(429, { headers: { 'retry-after': '3600' } })],
  ['hangs', hangs],
  ['hangs within its answer', hangsWithin('{"results": [', 'application/json')],
  ['cuts the wire', cuts],
  ['answers with a page', gives('<html>Bad gateway</html>', 'text/html')],
  ['answers with another shape', gives('{"flagged": false}')],
]

describe('with a provider that judges', () => {
  it('the words of the child are judged first, then each sentence together with the end of what was said, then the choices', async () => {
    const talk = await judgedTalk(replies(), finds())
    const reply = await talk.ask(QUESTION)
    expect([reply.text, reply.signals.model, reply.signals.findings]).toEqual([TWO_SUNS, MODEL, undefined])
    const [first, second, third] = SENTENCES
    const ways = builtin.waysOn(turnOf(QUESTION), builtin.answer(turnOf(QUESTION))).map(({ text }) => text)
    const offered = WAYS_ON.map(({ text }) => text).filter((text) => !ways.includes(text))
    expect(judgedTexts(talk)).toEqual([
      QUESTION,
      first,
      `${first}${second}`,
      `${first}${second}${third}`,
      expect.stringMatching(/When one sun sets, the other may still shine\. What would night be like there\?$/),
      offered.join('\n'),
    ])
  })

  it('a tap on a choice, which was judged when it was offered, is not judged again', async () => {
    const talk = await judgedTalk(replies(), finds())
    await talk.tap({ text: 'Could a flumph juggle?', icon: 'star' })
    expect(judgedTexts(talk).join()).not.toContain('flumph')
  })

  it.each([
    ['distress', finds('self-harm/intent'), 'distress', 'high', 'crisis_script'],
    ['distress of a child that speaks of a child', finds('sexual', 'sexual/minors'), 'distress', 'high', 'crisis_script'],
    ['sexual', finds('sexual'), 'unkind', 'medium', 'redirected'],
    ['violence', finds('violence'), 'unkind', 'medium', 'redirected'],
    ['hate', finds('hate'), 'unkind', 'medium', 'redirected'],
    ['bullying', finds('harassment'), 'unkind', 'low', 'redirected'],
    ['something without a name', gives('{"results": [{"flagged": true, "categories": {}}]}'), 'unkind', 'medium', 'redirected'],
  ] as const)('words of %s are answered without the model being asked', async (_category, behaviour, aside, severity, action) => {
    const talk = await judgedTalk(replies(), behaviour)
    const reply = await talk.ask(QUESTION, { crisisContact: 'You can call 116 111.' })
    const alone: string[] = []
    for await (const event of builtin.aside(turnOf(QUESTION, { crisisContact: 'You can call 116 111.' }), aside)) if ('text' in event) alone.push(event.text)
    expect(reply.chunks).toEqual(alone)
    expect(reply.choices).toHaveLength(3)
    expect(reply.signals).toMatchObject({ model: 'builtin', onTopic: false })
    expect(reply.signals.findings?.[0]).toMatchObject({ severity, action, audience: 'family', on: 'question' })
    expect(talk.server.requests).toEqual([])
  })

  it('distress that points at a caregiver is for those who answer for child protection alone', async () => {
    const talk = await judgedTalk(replies(), finds('self-harm', 'violence'))
    const reply = await talk.ask('my dad hits me with his belt')
    expect(reply.signals.findings).toEqual([{ category: 'distress', severity: 'high', action: 'crisis_script', audience: 'safeguarding', on: 'question' }])
    expect(talk.server.requests).toEqual([])
  })

  it.each([0, 1, 2, 3])('sentence %i of a reply that it finds something in is not told, nor what comes behind it', async (at) => {
    const talk = await judgedTalk(replies(), findsIn((SENTENCES[at] as string).trim()))
    const reply = await talk.ask(QUESTION)
    if (at === 0) await expectBuiltin(reply)
    else expect([reply.chunks, reply.signals.model]).toEqual([SENTENCES.slice(0, at), MODEL])
    expect(reply.choices).toHaveLength(3)
    expect(reply.signals.findings).toEqual([{ category: 'violence', severity: 'low', action: 'replaced', audience: 'family', on: 'reply' }])
  })

  it('choices that it finds something in are replaced', async () => {
    const choices = [{ text: 'Could a flumph juggle?', icon: 'star' }, ...WAYS_ON]
    const reply = await (await judgedTalk(replies({ choices }), findsIn('flumph'))).ask(QUESTION)
    expect(reply.text).toBe(TWO_SUNS)
    expect(new Set(reply.choices.map(({ text }) => text)).size).toBe(3)
    expect(reply.choices.map(({ text }) => text)).not.toContain('Could a flumph juggle?')
    expect(reply.signals.findings?.map(({ category }) => category)).toEqual(['violence'])
  })

  // Attack: whoever reads along at the provider learns who the child is.
  it('is told neither the full name of the child nor anything but what is to be judged', async () => {
    const talk = await judgedTalk(replies(), finds())
    await talk.ask('Is Emma Lovelace-Quist a star? Lovelace-Quist asks', { childName: 'Emma Lovelace-Quist', interests: ['flumphs'], history: [] })
    expect(talk.server.moderation.requests.length).toBeGreaterThan(2)
    for (const { body } of talk.server.moderation.requests) {
      expect(Object.keys(body).sort()).toEqual(['input', 'model'])
      expect(body.input).not.toMatch(/Lovelace|Quist|flumph/)
    }
  })
})

// Attack: the provider is made to fail, so that nobody looks.
describe('with a provider that gives no judgement', () => {
  it.each(FAILURES)('and %s, the builtin tutor answers, and the model is not asked', async (_how, behaviour) => {
    const talk = await judgedTalk(replies(), behaviour, HASTY)
    const reply = await talk.ask(QUESTION)
    await expectBuiltin(reply)
    expect(reply.signals.findings).toBeUndefined()
    expect([talk.server.requests.length, talk.unjudged.length]).toEqual([0, 1])
  })

  it.each(FAILURES)('of the first sentence, and %s, the builtin tutor answers', async (_how, behaviour) => {
    const talk = await judgedTalk(replies(), failsAt((SENTENCES[0] as string).trim(), behaviour), HASTY)
    const reply = await talk.ask(QUESTION)
    await expectBuiltin(reply)
    expect(reply.signals.findings).toEqual([])
    expect(reply.signals.usage?.tokensIn).toBeGreaterThan(100)
    expect(talk.unjudged).toHaveLength(1)
  })

  it.each(FAILURES)('of the third, and %s, the reply ends after the second with three ways on', async (_how, behaviour) => {
    const talk = await judgedTalk(replies(), failsAt((SENTENCES[2] as string).trim(), behaviour), HASTY)
    const reply = await talk.ask(QUESTION)
    expect([reply.chunks, reply.signals.model, reply.signals.findings]).toEqual([SENTENCES.slice(0, 2), MODEL, []])
    expect(new Set(reply.choices.map(({ text }) => text)).size).toBe(3)
  })

  it.each(FAILURES)('of the choices, and %s, they are those of the curriculum', async (_how, behaviour) => {
    const choices = [{ text: 'Could a flumph juggle?', icon: 'star' }]
    const talk = await judgedTalk(replies({ choices }), failsAt('flumph', behaviour), HASTY)
    const reply = await talk.ask(QUESTION)
    expect([reply.text, reply.signals.model]).toEqual([TWO_SUNS, MODEL])
    expect(reply.choices).toEqual(builtin.waysOn(turnOf(QUESTION), builtin.answer(turnOf(QUESTION))))
  })

  it('and has failed too often, children do not wait for it any more', async () => {
    const talk = await judgedTalk(replies(), fails(401), { failuresToRest: 2, restMs: 30_000 })
    for (let times = 0; times < 5; times += 1) await expectBuiltin(await talk.ask(QUESTION))
    expect(judgedTexts(talk)).toHaveLength(2)
    talk.server.moderation.behave(finds())
    talk.clock.advance(30_000)
    expect((await talk.ask(QUESTION)).signals.model).toBe(MODEL)
  })
})

describe('a turn that is abandoned', () => {
  /** Abandons a turn when the provider is to judge for the so-manieth time. */
  async function abandonAt({ tutor, server }: JudgedTalk, judgement: number): Promise<void> {
    const reason = new Error('the turn took too long')
    const abort = new AbortController()
    const reply = listenTo(tutor, turnOf(QUESTION), abort.signal)
    await server.moderation.asked(judgement)
    abort.abort(reason)
    await expect(reply).rejects.toBe(reason)
    expect(await server.moderation.requests[judgement - 1]?.hungUp).toBe(true)
  }

  it('while its words are judged aborts that, and nobody answers', async () => {
    const talk = await judgedTalk(replies(), hangs)
    await abandonAt(talk, 1)
    expect([talk.server.requests, talk.unjudged]).toEqual([[], []])
  })

  it('while a sentence is judged aborts that and the model', async () => {
    const json = replyJson()
    const behaviour = streams(json.slice(0, json.indexOf('When one sun')), { after: hangs })
    const talk = await judgedTalk(behaviour, failsAt((SENTENCES[0] as string).trim(), hangs))
    await abandonAt(talk, 2)
    expect(await talk.server.requests[0]?.hungUp).toBe(true)
  })
})
